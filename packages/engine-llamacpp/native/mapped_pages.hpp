// Memory that a mapped file takes without need.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mobillm::llamacpp {

// Addresses from `begin` up to `end`.
struct AddressRange {
  std::uintptr_t begin;
  std::uintptr_t end;
};

// Gives the pages of a file back that are mapped for reading. The mapping stays: a page that is
// used again comes back from the page cache. With `whole_folder` the pages of all files beside it,
// too, as a model of several parts has them. Does nothing where the system does not tell what is
// mapped.
void release_mapped_pages(const std::string& path, bool whole_folder);

// Where the text of /proc/self/maps says that nobody can write and the file is `path`, or lies in
// the folder `path` where `folder` is set.
std::vector<AddressRange> parse_mapped_ranges(std::string_view maps, std::string_view path,
                                              bool folder);

// Whether the library's log of a load names weights that do not lie in the mapped file, since it
// arranged them anew for this processor or copied them to a device.
bool logs_copied_weights(std::string_view log);

// What the library's log of a load says of why some of it could not be locked in memory; empty
// where all was.
std::optional<std::string> find_failed_lock(std::string_view log);

}  // namespace mobillm::llamacpp
