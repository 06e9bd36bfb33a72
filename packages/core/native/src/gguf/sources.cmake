# Adds the reading of weights in GGUF files to a target of an engine's own sources:
#   include("${MOBILLM_CORE_NATIVE_DIR}/src/gguf/sources.cmake")
#   mobillm_gguf_sources(mobillm_example_engine)
# Plain C++ that knows no Node-API, with the headers in mobillm/gguf/.
function(mobillm_gguf_sources target)
  set(folder "${MOBILLM_CORE_NATIVE_DIR}/src/gguf")
  target_sources(${target} PRIVATE "${folder}/dequantize.cpp" "${folder}/weight_reader.cpp")
endfunction()
