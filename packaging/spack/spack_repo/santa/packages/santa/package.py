# SPDX-License-Identifier: Apache-2.0
"""A recipe for Spack 1.0 and later: spack repo add packaging/spack/spack_repo/santa && spack install santa"""

import pathlib

from spack_repo.builtin.build_systems.cmake import CMakePackage
from spack_repo.builtin.build_systems.cuda import CudaPackage

from spack.package import *


class Santa(CMakePackage, CudaPackage):
    """Decode attention that samples instead of reading everything"""

    # The checkout that this file lies in, as there is no release to fetch yet.
    git = pathlib.Path(__file__).resolve().parents[6].as_uri()

    license("Apache-2.0")

    version("0.1.0", branch="main")

    variant("openmp", default=True, description="Threads of a host by OpenMP, else one")
    variant("kernels", default=True, when="~cuda", description="What most programs use, compiled: santa::kernels")

    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("kokkos@4.6:5 cxxstd=20")
    depends_on("kokkos+openmp", when="+openmp")
    depends_on("kokkos+cuda_lambda", when="+cuda ^kokkos@4")
    for arch in CudaPackage.cuda_arch_values:
        depends_on(f"kokkos+cuda cuda_arch={arch}", when=f"+cuda cuda_arch={arch}")

    conflicts("cuda_arch=none", when="+cuda", msg="name the one architecture that Kokkos is built for")
    conflicts("^kokkos@4.6.99:4.7.1", when="+cuda ^cuda@12.9:", msg="nvcc miscompiles Kokkos' View there")

    def cmake_args(self):
        args = [
            self.define("SANTA_KOKKOS", "system"),
            self.define("Kokkos_ROOT", self["kokkos"].prefix),
            self.define("SANTA_BUILD_TESTS", False),
            self.define("SANTA_BUILD_EXAMPLES", False),
            # Spack's compilers are told the processor; kernels are for that one alone.
            self.define("SANTA_NATIVE", False),
            self.define("SANTA_KERNELS_CHOICE", False),
            self.define("SANTA_BUILD_KERNELS", self.spec.satisfies("+kernels")),
        ]
        if self.spec.satisfies("+cuda"):
            args.append(self.define("CMAKE_CXX_COMPILER", self["kokkos"].kokkos_cxx))
            args.append(self.define("CMAKE_CUDA_ARCHITECTURES", self.spec.variants["cuda_arch"].value))
        return args
