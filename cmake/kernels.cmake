# nn/kernels/kernels.c and envs/lanes/*.c are plain C that the compiler vectorises; they are compiled once for each
# instruction set and the program picks one when it runs (nn/kernels/dispatch.c, envs/lanes.c).
file(GLOB ML3_LANES CONFIGURE_DEPENDS envs/lanes/*.c)
include(CheckCCompilerFlag)
set(ML3_KERNEL_FLAGS -O3 -ffp-contract=fast -fopenmp-simd)
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND ML3_KERNEL_FLAGS -fveclib=libmvec)
endif()

function(ml3_add_kernels isa)
  add_library(ml3_kernels_${isa} OBJECT nn/kernels/kernels.c ${ML3_LANES})
  target_compile_definitions(ml3_kernels_${isa} PRIVATE ML3_KERNELS=${isa} $<$<BOOL:${ML3_DOUBLE}>:ML3_DOUBLE>)
  target_include_directories(ml3_kernels_${isa} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(ml3_kernels_${isa} PRIVATE ${ML3_KERNEL_FLAGS} ${ARGN})
  target_link_libraries(ml3_kernels_${isa} PRIVATE ml3_flags)
  if(ML3_COVERAGE) # a count in every inner loop would take hours, and gcovr 5.2 stops at lines that are in several objects
    target_compile_options(ml3_kernels_${isa} PRIVATE -fno-profile-arcs -fno-test-coverage)
  endif()
  target_sources(ml3 PRIVATE $<TARGET_OBJECTS:ml3_kernels_${isa}>)
endfunction()

target_sources(ml3 PRIVATE nn/kernels/dispatch.c)
ml3_add_kernels(generic)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  ml3_add_kernels(avx2 -mavx2 -mfma)
  ml3_add_kernels(avx512 -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512)
  target_compile_definitions(ml3 PRIVATE ML3_KERNELS_X86)
  if(NOT ML3_DOUBLE) # single precision alone
    target_sources(ml3_kernels_avx512 PRIVATE nn/kernels/panels_avx512.c)
  endif()
  check_c_compiler_flag(-mamx-bf16 ML3_COMPILER_HAS_AMX)
  if(ML3_COMPILER_HAS_AMX AND NOT ML3_DOUBLE) # the matrix unit sums in single precision
    target_sources(ml3 PRIVATE nn/kernels/tiles_amx.c)
    set_source_files_properties(nn/kernels/tiles_amx.c PROPERTIES COMPILE_OPTIONS
      "-O3;-mamx-tile;-mamx-bf16;-mavx512f;-mavx512vl;-mavx512bw;-mavx512bf16")
    target_compile_definitions(ml3 PRIVATE ML3_TILES_AMX)
  endif()
endif()
