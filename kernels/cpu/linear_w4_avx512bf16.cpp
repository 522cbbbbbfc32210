#include "isa_avx512bf16.h"
#include "linear_tile.h"
