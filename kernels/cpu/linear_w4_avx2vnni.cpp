#include "isa_avx2vnni.h"
#include "linear_tile.h"
