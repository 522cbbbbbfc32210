#include "../isa_avx512.h"
#include "roof.h"
