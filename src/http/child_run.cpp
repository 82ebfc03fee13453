#include "http/child_run.hpp"

#include <csignal>

namespace agentctl {

// The arrays are as large as a pipe.
constexpr std::size_t most_output = 4u << 20;
constexpr std::size_t most_errors = 64u << 10;

ChildRun::ChildRun(Loop& loop, Child child)
    : loop_(loop),
      pid_(child.pid),
      process_(loop.io, child.process.release()),
      out_(loop.io, child.out.release()),
      err_(loop.io, child.err.release()) {}

std::shared_ptr<ChildRun> ChildRun::start(Loop& loop, const std::vector<std::string>& arguments) {
  std::shared_ptr<ChildRun> run(new ChildRun(loop, start_child(arguments)));
  run->await_exit();
  return run;
}

void ChildRun::await_exit() {
  ++loop_.children;
  process_.async_wait(Descriptor::wait_read, [self = shared_from_this()](Failure) {
    self->result_.status = reap(self->pid_);
    self->exited_ = true;
    --self->loop_.children;
    self->loop_.when_less();
    self->finish_part();
  });
}

void ChildRun::collect(std::function<void(const ChildResult&)> done) {
  done_ = std::move(done);
  read(out_, result_.out, most_output, out_chunk_);
  read(err_, result_.err, most_errors, err_chunk_);
}

void ChildRun::read(Descriptor& from, std::string& into, std::size_t limit, std::array<char, 65536>& chunk) {
  from.async_read_some(asio::buffer(chunk),
                       [self = shared_from_this(), &from, &into, limit, &chunk](Failure failure, std::size_t size) {
                         if (failure) {
                           self->finish_part();
                           return;
                         }
                         // What is over the limit is read all the same: the child must not wait for us.
                         into.append(chunk.data(), std::min(size, limit - std::min(limit, into.size())));
                         self->read(from, into, limit, chunk);
                       });
}

void ChildRun::finish_part() {
  if (--parts_left_ > 0 || !done_) return;
  std::exchange(done_, nullptr)(result_);
}

void ChildRun::next(std::function<void(std::string_view)> piece) {
  out_.async_read_some(asio::buffer(out_chunk_),
                       [self = shared_from_this(), piece = std::move(piece)](Failure failure, std::size_t size) {
                         if (failure == asio::error::operation_aborted) return;
                         piece({self->out_chunk_.data(), failure ? 0 : size});
                       });
}

void ChildRun::end() {
  done_ = nullptr;
  Failure ignored;
  out_.close(ignored);
  err_.close(ignored);
  if (!exited_) ::kill(pid_, SIGTERM);
}

}  // namespace agentctl
