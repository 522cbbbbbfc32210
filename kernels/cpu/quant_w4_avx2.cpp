#include "isa_avx2.h"
#include "quant_tile.h"
