// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The library's version. The build reads it from here: this is its one place.
#define SANTA_VERSION_MAJOR 0
#define SANTA_VERSION_MINOR 1
#define SANTA_VERSION_PATCH 0
#define SANTA_VERSION_STRING "0.1.0"
