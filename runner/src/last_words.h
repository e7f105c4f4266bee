#pragma once

#include <functional>

namespace nnrun {

// From now on SIGTERM, SIGINT and SIGHUP call `speak` (on a thread of its own, so that
// even an inference that takes minutes does not delay it) and then end the process by
// that same signal. Call it before anything else starts threads: they inherit the mask.
void on_stop(std::function<void()> speak);

}  // namespace nnrun
