// Package grub makes a boot loader for PCs with a BIOS out of the files of GRUB's package
// for them (grub-pc-bin), and what it reads.
//
// [Disk] is what stands on a disk: a first sector, and a core image for a partition of
// its own. [Disc] is the same for a CD. Both are put together here from GRUB's parts, as
// grub-mkimage(1) does, so that it takes neither a program of the host nor privileges.
// What a core has in it are the modules that reach the boot partition, and a
// configuration that goes on to a file there: [Menu] writes that, with an entry for each
// generation.
//
// How often a new generation is still tried stands in a file of GRUB's own form, its
// environment block ([Environment]), which GRUB can write to. The menu lowers the number
// before it starts the generation; at 0 it starts the one that is known to be good.
//
// How a core image is made is in GRUB's util/mkimage.c and include/grub/offsets.h.
package grub
