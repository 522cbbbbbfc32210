#include "isa_avx512.h"
#include "rows_tile.h"
