#include "../isa_scalar.h"
#include "roof.h"
