#include "isa_avx512.h"
#include "gemm_tile.h"
