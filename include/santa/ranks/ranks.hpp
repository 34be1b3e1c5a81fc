// All that runs on ranks, whoever connects them: what mpi.hpp, nccl.hpp and one_process.hpp bring with them. Not a part
// of santa.hpp, as few programs need it.
#pragma once

#include <santa/ranks/communicator.hpp>
#include <santa/ranks/rank_sums.hpp>
#include <santa/ranks/sharded_draw.hpp>
#include <santa/ranks/sharded_plan.hpp>
#include <santa/ranks/sharded_sampler.hpp>
