#include "isa_avx2.h"
#include "linear_tile.h"
