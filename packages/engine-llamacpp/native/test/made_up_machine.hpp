// The system's files of another machine, in a folder that is gone at the end.
#pragma once

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

class MadeUpMachine {
 public:
  MadeUpMachine() {
    std::random_device random;
    root_ =
        std::filesystem::temp_directory_path() / ("mobillm-machine-" + std::to_string(random()));
    std::filesystem::create_directories(root_);
  }
  MadeUpMachine(const MadeUpMachine&) = delete;
  MadeUpMachine& operator=(const MadeUpMachine&) = delete;
  ~MadeUpMachine() {
    std::error_code trouble;
    std::filesystem::remove_all(root_, trouble);
  }

  std::string root() const { return root_.string(); }
  // Writes a file, by the path that it has on that machine.
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void put_cpu(int number, const std::string& name, const std::string& text) const {
    put("/sys/devices/system/cpu/cpu" + std::to_string(number) + "/" + name, text);
  }

 private:
  std::filesystem::path root_;
};
