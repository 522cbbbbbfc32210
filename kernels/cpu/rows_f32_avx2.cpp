#include "isa_avx2.h"
#include "rows_tile.h"
