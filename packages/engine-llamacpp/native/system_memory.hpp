// Memory that a new model may take.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mobillm::llamacpp {

// Bytes that can be allocated now without swapping, page cache that can be dropped counted in, and
// the limit of the cgroup held to. Empty where the system does not tell.
std::optional<std::uint64_t> available_memory_bytes();

// Bytes that this process may lock in memory, unless it is privileged. Empty where there is no
// limit or the system does not tell.
std::optional<std::uint64_t> lockable_memory_bytes();

// The value of `MemAvailable` in the text of /proc/meminfo, in bytes.
std::optional<std::uint64_t> parse_mem_available(std::string_view meminfo);

// One `name value` line of a cgroup's memory.stat, in bytes.
std::optional<std::uint64_t> parse_memory_stat(std::string_view memory_stat, std::string_view name);

// Folder of this process in the unified cgroup hierarchy, from the text of /proc/self/cgroup;
// empty in the older hierarchies.
std::string_view parse_cgroup_path(std::string_view self_cgroup);

}  // namespace mobillm::llamacpp
