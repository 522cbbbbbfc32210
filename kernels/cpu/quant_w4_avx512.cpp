#include "isa_avx512.h"
#include "quant_tile.h"
