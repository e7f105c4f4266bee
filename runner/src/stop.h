#pragma once

namespace nnrun {

// SIGINT and SIGTERM ask for a stop between two inferences; SIGPIPE becomes a failed write.
void watch_signals();
// The signal that asked for a stop, or 0.
int stop_signal();

}  // namespace nnrun
