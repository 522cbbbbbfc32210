#include "isa_scalar.h"
#include "gemm_tile.h"
