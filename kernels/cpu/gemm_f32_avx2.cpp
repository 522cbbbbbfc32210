#include "isa_avx2.h"
#include "gemm_tile.h"
