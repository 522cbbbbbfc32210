#include "isa_scalar.h"
#include "rows_tile.h"
