// Package sandbox runs one builder so that it sees its inputs and nothing
// else, on Linux, without privilege, without a helper binary on the host and
// without cgo.
//
// [Run] starts this very program again ([Main] must be the first call of every
// main function) as process 1 of new user, mount, pid, network, uts, ipc and
// cgroup namespaces; where many builders run, a small process in between does that
// for all of them ([Shared]). Process 1
//
//  1. makes a file system from detached clones of the root, of the inputs and
//     of five devices, with its own proc, devpts and tmpfs, and pivots into it;
//     many inputs beside outputs ([Entries]) are mounted in an overlay, which has
//     room for them;
//  2. gives up, on one thread that it keeps for the purpose, capabilities and
//     new privileges, puts Landlock rules (Linux 5.19) and a system call filter on
//     that thread, and forks the builder from there: the builder inherits what that thread is, whereas
//     process 1 remains able to serve it;
//  3. reaps what is orphaned, reports how the builder ended, and exits. With
//     it the kernel ends every process and unmounts everything, so that nothing
//     is ever left; the same happens when the caller dies or gives up.
//
// A builder can be shown other [Circumstances] than there are, to find out whether
// its result depends on them.
//
// What makes files durable, fsync(2) and its relatives, succeeds and does nothing, in
// every build: the store makes what it takes over durable by itself.
//
// There are two kinds of builds.
//
// A normal build has a read-only root, an ordinary user's id (1000:100), the
// name "build", and no capability. It can make no set-id file and touch no extended attribute.
//
// A build with a writable root acts as superuser of a machine that it makes,
// the way maintainer scripts expect: uid 0, modes at will, chroot. Only one id
// of the host stands behind it, so changing owners cannot be real: those calls
// are answered by process 1, which records the owner on the file, in the
// extended attribute [OwnerXattr]. It follows renames and hard links. stat(2) and
// its relatives show it, for programs that replace a file give the new one the
// owner of the old. Access control lists, which name ids as well, are recorded and
// shown in the same way. [Meta] reads both back when the result is harvested. What such
// a build cannot have:
//
//   - what is made in a directory with a default access control list does not get one;
//   - a file made in a directory with the set-group-id bit belongs to root's
//     group, not to the directory's recorded one;
//   - through a link into /proc/self, such as /dev/stdin, stat(2) shows 0:0;
//   - a signal whose handler does not restart calls (no SA_RESTART) can make
//     stat(2) fail with EINTR, if it comes in the moment before process 1 looks
//     at the question;
//   - changing the process's user or groups succeeds without effect, so files
//     made "as" another user remain root's;
//   - the owner of a symbolic link, socket or fifo is dropped, for these cannot
//     carry the attribute;
//   - copying between file systems (from /tmp into the root) without attributes
//     loses the owner, unless the program sets it again;
//   - device nodes cannot be made.
//
// Root's builds have a user namespace as well, although it costs them some 0.8 ms
// of processor time, a tenth of a trivial build's. Without it the ids that the
// builder sees would be the host's, so that whoever is user 1000 there could
// trace it and change what it makes; process 1 would be the host's superuser
// while it looks at roots that former builders made; and a writable root, whose
// builder has capabilities, could not be had at all.
//
// On the host root's builders are user and group 1937339235, which nobody else
// is, so that one that broke out would be nobody. What they make is root's all the
// same, as the mounts translate. Where that cannot be (the id is not mapped in a
// container; the file system of the build knows no translation), root's builders
// are root without capabilities, as other users' builders are those users.
//
// 32-bit programs do not run: the filter kills calls of a foreign architecture.
//
// There is no way to run a builder without all of this. A kernel that refuses
// gives an [UnavailableError], which says what to change.
package sandbox
