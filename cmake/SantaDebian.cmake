# Debian packages in a private prefix: downloaded and unpacked without root, and nothing on the system changes.
include_guard(GLOBAL)

# Sets <uri>, <signed_by> and <suite> to those of the machine's own Debian archive. apt itself reads its
# configuration (one-line and deb822 sources alike), so that mirrors, proxies and keys are the machine's.
function(_santa_debian_archive uri_out signed_by_out suite_out)
  execute_process(
    COMMAND apt-get indextargets --format "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)" "Created-By: Packages"
    OUTPUT_VARIABLE lines ERROR_QUIET)
  # The main suite of an archive named debian: neither security nor updates, and no third party.
  if(NOT lines MATCHES "([^|\n]+/debian/?)\\|([a-z]+)\\|main\\|([^\n]+):([0-9]+)")
    return()
  endif()
  set(uri "${CMAKE_MATCH_1}")
  set(suite "${CMAKE_MATCH_2}")
  set(file "${CMAKE_MATCH_3}")
  set(index "${CMAKE_MATCH_4}")

  # Signed-By isn't among what indextargets prints. The entry's index is a line's in *.list, a stanza's in *.sources.
  set(entry "")
  if(file MATCHES "\\.sources$")
    file(READ "${file}" text)
    string(REGEX REPLACE "(^|\n)#[^\n]*" "\\1" text "${text}")
    string(REGEX REPLACE "\n[ \t]*\n+" ";" stanzas "\n${text}\n")
    list(FILTER stanzas INCLUDE REGEX "URIs:")
    math(EXPR index "${index} - 1")
    list(GET stanzas ${index} entry)
  else()
    execute_process(COMMAND sed -n "${index}p" "${file}" OUTPUT_VARIABLE entry)
  endif()
  set(signed_by "")
  if(entry MATCHES "[Ss]igned-[Bb]y[:=][ \t]*(/[^] \t\n,]+)")
    set(signed_by "${CMAKE_MATCH_1}")
  endif()

  set(${uri_out} "${uri}" PARENT_SCOPE)
  set(${signed_by_out} "${signed_by}" PARENT_SCOPE)
  set(${suite_out} "${suite}" PARENT_SCOPE)
endfunction()

# Sets <out> to the architecture that is compiled for where it is not this machine's, by Debian's name; else to nothing.
function(_santa_debian_architecture out)
  set(${out} "" PARENT_SCOPE)
  if(CMAKE_CROSSCOMPILING)
    string(REPLACE "aarch64" "arm64" name "${CMAKE_SYSTEM_PROCESSOR}")
    set(${out} "${name}" PARENT_SCOPE)
  endif()
endfunction()

# Gives apt-get a state of its own in <root>. <signed_by> may be empty: apt's trusted keys then. <status> lists the
# packages that count as installed.
function(_santa_apt_configure root uri suite signed_by status)
  file(MAKE_DIRECTORY "${root}/state/lists/partial" "${root}/cache/archives/partial")
  configure_file("${status}" "${root}/state/status" COPYONLY)
  set(architecture "")
  _santa_debian_architecture(target)
  if(target)
    set(architecture "APT::Architecture \"${target}\";\nAPT::Architectures { \"${target}\"; };\n")
  endif()
  set(options "")
  if(signed_by)
    set(options "[signed-by=${signed_by}] ")
  endif()
  file(WRITE "${root}/sources.list" "deb ${options}${uri} ${suite} main\n")
  file(WRITE "${root}/apt.conf" "Dir::State \"${root}/state\";
Dir::State::status \"${root}/state/status\";
Dir::Cache \"${root}/cache\";
Dir::Etc::sourcelist \"${root}/sources.list\";
Dir::Etc::sourceparts \"/dev/null\";
Dir::Etc::preferences \"/dev/null\";
Dir::Etc::preferencesparts \"/dev/null\";
APT::Install-Recommends \"false\";
APT::Sandbox::User \"root\"; // _apt may not reach this directory
Acquire::Check-Valid-Until \"false\"; // a mirror's index of unstable may be old
Acquire::Languages \"none\";
APT::Update::Error-Mode \"any\"; // an index that can't be had is an error
Acquire::Retries \"2\";
Acquire::http::Timeout \"20\";
Acquire::https::Timeout \"20\";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
${architecture}")
endfunction()

# Some packages' CMake files take it that they lie in /usr, or where a former SANTA_DEPS_DIR was: lets them find
# themselves, wherever <prefix> is moved or copied.
function(_santa_relocate prefix)
  file(GLOB_RECURSE configs "${prefix}/usr/*.cmake")
  foreach(config IN LISTS configs)
    file(READ "${config}" text)
    get_filename_component(folder "${config}" DIRECTORY)
    file(RELATIVE_PATH up "${folder}" "${prefix}/usr")
    string(REGEX REPLACE "set\\(_IMPORT_PREFIX \"(/[^\"$]*)?/usr\"\\)"
      "set(_IMPORT_PREFIX \"\${CMAKE_CURRENT_LIST_DIR}/${up}\")" relocated "${text}")
    if(NOT relocated STREQUAL text)
      file(WRITE "${config}" "${relocated}")
    endif()
  endforeach()
endfunction()

# Downloads and unpacks packages of one suite into <prefix>, without asking whether they are there.
function(_santa_debian_unpack error_out root prefix)
  file(GLOB stale "${root}/cache/archives/*.deb")
  if(stale)
    file(REMOVE ${stale})
  endif()
  foreach(command "update" "--yes;--download-only;install;${ARGN}")
    execute_process(
      COMMAND apt-get -q -c "${root}/apt.conf" ${command}
      RESULT_VARIABLE result OUTPUT_QUIET ERROR_VARIABLE text)
    if(NOT result EQUAL 0)
      string(REGEX MATCH "E: [^\n]*" reason "${text}")
      list(JOIN command " " command)
      set(${error_out} "apt-get ${command} failed (${reason})" PARENT_SCOPE)
      return()
    endif()
  endforeach()

  file(REMOVE_RECURSE "${prefix}.part")
  file(MAKE_DIRECTORY "${prefix}.part")
  file(GLOB archives "${root}/cache/archives/*.deb")
  foreach(archive IN LISTS archives)
    execute_process(COMMAND dpkg-deb -x "${archive}" "${prefix}.part" RESULT_VARIABLE result ERROR_VARIABLE text)
    if(NOT result EQUAL 0)
      set(${error_out} "dpkg-deb -x ${archive} failed (${text})" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  _santa_relocate("${prefix}.part")
  file(WRITE "${prefix}.part/.packages" "${ARGN}")
  file(REMOVE_RECURSE "${prefix}")
  # The renaming is what makes the prefix appear whole or not at all.
  file(RENAME "${prefix}.part" "${prefix}")
  set(${error_out} "" PARENT_SCOPE)
endfunction()

# santa_debian_packages(<out> NAME <name> [SUITE <suite>] PACKAGES <package>...)
#
# Unpacks the packages and what they depend on into SANTA_DEPS_DIR/<name>, once, and sets <out> to that prefix.
# SUITE is the machine's own unless given. On failure <out> is empty and <out>_ERROR says why.
function(santa_debian_packages out)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME;SUITE" "PACKAGES")
  _santa_debian_architecture(architecture)
  if(architecture)
    string(APPEND arg_NAME "-${architecture}")
  endif()
  set(prefix "${SANTA_DEPS_DIR}/${arg_NAME}")
  set(${out} "" PARENT_SCOPE)
  set(${out}_ERROR "" PARENT_SCOPE)

  # Build trees share the prefix: a second configure waits for the first, then finds its work done.
  file(MAKE_DIRECTORY "${SANTA_DEPS_DIR}")
  file(LOCK "${SANTA_DEPS_DIR}/.lock" GUARD FUNCTION TIMEOUT 600)
  if(EXISTS "${prefix}/.packages")
    file(READ "${prefix}/.packages" packages)
    if(packages STREQUAL "${arg_PACKAGES}")
      _santa_relocate("${prefix}")
      set(${out} "${prefix}" PARENT_SCOPE)
      return()
    endif()
  endif()

  find_program(SANTA_APT_GET apt-get)
  find_program(SANTA_DPKG_DEB dpkg-deb)
  mark_as_advanced(SANTA_APT_GET SANTA_DPKG_DEB)
  if(NOT SANTA_APT_GET OR NOT SANTA_DPKG_DEB)
    set(${out}_ERROR "this system has no apt" PARENT_SCOPE)
    return()
  endif()
  _santa_debian_archive(uri signed_by own_suite)
  if(NOT uri)
    set(${out}_ERROR "apt's configuration names no Debian archive" PARENT_SCOPE)
    return()
  endif()
  # The own suite's packages go with those installed here; another suite's bring along all that they need.
  set(status /dev/null)
  if(NOT arg_SUITE)
    set(arg_SUITE "${own_suite}")
    if(NOT architecture)
      set(status /var/lib/dpkg/status)
    endif()
  endif()

  message(STATUS "santa: downloading ${arg_PACKAGES} (Debian ${arg_SUITE}) into ${prefix}")
  set(root "${SANTA_DEPS_DIR}/apt/${arg_SUITE}${architecture}")
  _santa_apt_configure("${root}" "${uri}" "${arg_SUITE}" "${signed_by}" "${status}")
  _santa_debian_unpack(error "${root}" "${prefix}" ${arg_PACKAGES})

  # Keys newer than this machine's may sign another suite. They come with the own suite, signed by keys at hand.
  if(error MATCHES "not signed|NO_PUBKEY" AND NOT arg_SUITE STREQUAL own_suite)
    message(STATUS "santa: ${arg_SUITE} is signed by newer keys: trying the keyring of ${own_suite}")
    set(keyring "${SANTA_DEPS_DIR}/keyring")
    _santa_apt_configure("${root}-keyring" "${uri}" "${own_suite}" "${signed_by}" /dev/null)
    _santa_debian_unpack(error "${root}-keyring" "${keyring}" debian-archive-keyring)
    if(NOT error)
      file(GLOB signed_by "${keyring}/usr/share/keyrings/debian-archive-keyring.[gp]*")
      list(GET signed_by 0 signed_by)
      _santa_apt_configure("${root}" "${uri}" "${arg_SUITE}" "${signed_by}" "${status}")
      _santa_debian_unpack(error "${root}" "${prefix}" ${arg_PACKAGES})
    endif()
  endif()

  if(error)
    set(${out}_ERROR "${error}" PARENT_SCOPE)
  else()
    set(${out} "${prefix}" PARENT_SCOPE)
  endif()
endfunction()
