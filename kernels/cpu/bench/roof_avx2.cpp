#include "../isa_avx2.h"
#include "roof.h"
