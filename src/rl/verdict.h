/* verdict.h: what a checker says of an answer; in `base`, so that `eval` can count what it may not judge. */
#pragma once

#include "base/three_valued.h"
