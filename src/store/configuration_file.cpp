#include "store/configuration_file.hpp"

#include "base/file.hpp"

namespace agentctl {

Configuration read_configuration(const std::vector<std::string>& files) {
  Configuration configuration;
  for (const std::string& file : files)
    if (const auto text = read_named_file(file, configuration_size_limit))
      apply_configuration(configuration, *text, file);
  return configuration;
}

}  // namespace agentctl
