// Package earlyboot is the first program that a kernel starts, out of an initrd: it
// loads modules, finds the disk that has the machine's data, mounts a generation
// and becomes the generation's own init. [Run] does it all.
//
// What it is to do stands on the kernel's command line ([Parameters]) and in one file
// of the initrd ([ParseModules]); it looks for nothing else. It is small on
// purpose: no shell, no network, no rescue. Whatever goes wrong resets the machine, so
// that a boot loader which counts tries comes to an entry that works.
//
// A generation's root is mounted read-only. On it are mounted:
//
//   - /etc, an overlay: what the generation has, below what the machine changed
//   - each directory of the data partition that the root has, too, as /var, unless
//     /etc/fstab has the machine's own init mount something else there
//   - /sysc, where the machine's store and generations are
//
// The partition that the boot loader was started from is left to systemd: it gets a unit
// that mounts it at /efi.
//
// A machine may as well run from memory: then the initrd has an image of the whole root,
// and the machine's changes are kept in memory, too ([MountMemory]).
package earlyboot
