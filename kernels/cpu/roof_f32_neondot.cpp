#include "isa_neondot.h"
#include "roof_tile.h"
