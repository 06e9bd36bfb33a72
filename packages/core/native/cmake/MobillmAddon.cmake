# Builds a Node-API addon the way every mobillm engine does.
#
#   include("<core>/native/cmake/MobillmAddon.cmake")
#   mobillm_add_addon(mobillm_example SOURCES addon.cpp LIBRARIES llama)
#
# Works under cmake-js (which passes CMAKE_JS_INC, _SRC and _LIB) and under plain cmake, where the
# headers are found through Node. The addon speaks Node-API 8 alone: no V8, no libuv.

option(MOBILLM_WARNINGS_AS_ERRORS "Fail on warnings of our own sources" ON)
option(MOBILLM_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

get_filename_component(MOBILLM_CORE_NATIVE_DIR "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
include("${MOBILLM_CORE_NATIVE_DIR}/src/gguf/sources.cmake")

# A compiler cache makes a second clone build in seconds. Whoever set a launcher keeps theirs.
if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(MOBILLM_CCACHE ccache)
  if(MOBILLM_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER "${MOBILLM_CCACHE}")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${MOBILLM_CCACHE}")
  endif()
endif()

# AddressSanitizer has to see every object of the process, third-party ones included.
if(MOBILLM_SANITIZE)
  add_compile_options(-fsanitize=address -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
endif()

# Asks Node for a path. Stops the configuration with a sentence when Node cannot tell.
function(mobillm_ask_node variable expression)
  find_program(MOBILLM_NODE node REQUIRED)
  execute_process(
    COMMAND "${MOBILLM_NODE}" -p "${expression}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    OUTPUT_VARIABLE answer
    ERROR_VARIABLE trouble
    RESULT_VARIABLE status
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "Node could not evaluate ${expression}: run the package manager's install first.\n${trouble}")
  endif()
  file(TO_CMAKE_PATH "${answer}" answer)
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()

# Rules for our own sources: every warning is an error (but not on a user's machine, whose compiler
# may be newer than any we know), and undefined behaviour is caught in sanitizer builds. Third-party
# sources are not held to them.
function(mobillm_own_sources target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_include_directories(${target} PRIVATE "${MOBILLM_CORE_NATIVE_DIR}/include")
  if(MSVC)
    target_compile_options(${target} PRIVATE
      /W4 /utf-8 /EHsc $<$<BOOL:${MOBILLM_WARNINGS_AS_ERRORS}>:/WX>)
  else()
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
      $<$<BOOL:${MOBILLM_WARNINGS_AS_ERRORS}>:-Werror>)
    if(MOBILLM_SANITIZE)
      # GCC takes the sanitizer's own code for reads of what was not initialized.
      target_compile_options(${target} PRIVATE
        -fsanitize=undefined -fno-sanitize-recover=undefined -Wno-maybe-uninitialized)
    endif()
  endif()
endfunction()

# Adds the shared machinery to a target of an engine's own sources: generations, the sampler chain,
# grammars, log-probabilities, conversion of keys and values. Plain C++ that knows no Node-API; held to the
# rules of our own sources.
function(mobillm_generation_sources target)
  mobillm_own_sources(${target})
  set(folder "${MOBILLM_CORE_NATIVE_DIR}/src")
  target_sources(${target} PRIVATE
    "${folder}/convert_kv_rows.cpp"
    "${folder}/generation.cpp"
    "${folder}/grammar/compile_grammar.cpp"
    "${folder}/grammar/grammar_automaton.cpp"
    "${folder}/grammar/grammar_sampler.cpp"
    "${folder}/grammar/grammars.cpp"
    "${folder}/grammar/parse_grammar.cpp"
    "${folder}/grammar/token_trie.cpp"
    "${folder}/logprobs.cpp"
    "${folder}/sampler_chain.cpp"
    "${folder}/scheduler.cpp"
    "${folder}/sequence.cpp"
    "${folder}/speculation/draft_length.cpp"
    "${folder}/speculation/prompt_lookup.cpp"
    "${folder}/speculation/speculator.cpp")
endfunction()

# Adds the JavaScript faces of that machinery, the classes Sequence, Generation and
# Adapter, to an addon. The
# sources of `mobillm_generation_sources` have to be in the addon or in a library that it links.
function(mobillm_generation_handles addon)
  set(folder "${MOBILLM_CORE_NATIVE_DIR}/src")
  target_sources(${addon} PRIVATE
    "${folder}/adapter_handle.cpp"
    "${folder}/generate_options.cpp"
    "${folder}/generation_handle.cpp"
    "${folder}/kv_transfer.cpp"
    "${folder}/sequence_handle.cpp")
endfunction()

# Adds the list of who hears a library's log to a target of an engine's own sources: plain C++.
function(mobillm_log_sources target)
  target_sources(${target} PRIVATE "${MOBILLM_CORE_NATIVE_DIR}/src/log_sinks.cpp")
endfunction()

# Adds its JavaScript face, the class LogSink, to an addon.
function(mobillm_log_handle addon)
  target_sources(${addon} PRIVATE "${MOBILLM_CORE_NATIVE_DIR}/src/log_sink_handle.cpp")
endfunction()

function(mobillm_add_addon target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")

  if(NOT CMAKE_JS_INC)
    mobillm_ask_node(headers "require('node-api-headers').include_dir")
    mobillm_ask_node(wrapper "require('node:path').dirname(require.resolve('node-addon-api/package.json'))")
    set(CMAKE_JS_INC "${headers}" "${wrapper}")
  endif()

  add_library(${target} MODULE ${arg_SOURCES} ${CMAKE_JS_SRC})
  mobillm_own_sources(${target})
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_JS_INC})
  target_compile_definitions(${target} PRIVATE
    NAPI_VERSION=8
    NAPI_CPP_EXCEPTIONS
    # Without it an exception that cannot be thrown any more, because its worker thread is being
    # terminated, takes the whole process down.
    NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} ${CMAKE_JS_LIB})
  set_target_properties(${target} PROPERTIES
    PREFIX ""
    SUFFIX ".node"
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(NOT CMAKE_LIBRARY_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/Release")
  endif()

  if(APPLE)
    # Node-API's functions are in the executable that loads the addon.
    target_link_options(${target} PRIVATE -undefined dynamic_lookup
      -Wl,-exported_symbol,_napi_register_module_v1
      -Wl,-exported_symbol,_node_api_module_get_api_version_v1)
  elseif(UNIX)
    # All other symbols stay inside, so that two addons with their own copy of a library can live in
    # one process.
    set(map "${MOBILLM_CORE_NATIVE_DIR}/cmake/addon.map")
    target_link_options(${target} PRIVATE "-Wl,--version-script=${map}" -Wl,--gc-sections)
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${map}")
  endif()
  if(MSVC AND CMAKE_JS_NODELIB_DEF AND CMAKE_JS_NODELIB_TARGET)
    execute_process(
      COMMAND ${CMAKE_AR} /def:${CMAKE_JS_NODELIB_DEF} /out:${CMAKE_JS_NODELIB_TARGET} ${CMAKE_STATIC_LINKER_FLAGS})
  endif()
endfunction()

# A test program for ctest: plain C++ without Node.
function(mobillm_add_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  find_package(Threads REQUIRED)
  add_executable(${target} ${arg_SOURCES})
  mobillm_own_sources(${target})
  target_include_directories(${target} PRIVATE "${MOBILLM_CORE_NATIVE_DIR}/test")
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} Threads::Threads)
  add_test(NAME ${target} COMMAND ${target})
endfunction()
