#include "isa_neon.h"
#include "gemm_tile.h"
