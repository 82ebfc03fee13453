#pragma once

#include <string>
#include <string_view>

namespace agentctl {

/// A folder for one test, removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

/// Makes or replaces a file, as any program would.
void put_file(const std::string& path, std::string_view content, unsigned mode = 0644);
/// The content; a failure of the test when there is no such file.
std::string get_file(const std::string& path);
bool exists(const std::string& path);

}  // namespace agentctl
