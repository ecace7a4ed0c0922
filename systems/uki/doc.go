// Package uki writes unified kernel images (UAPI.5): one program for UEFI that is a
// kernel with all that it starts with. [Write] adds sections to a stub, such as
// systemd-stub(7), which finds them in itself when firmware has loaded it.
//
// The same stub and sections give the same bytes. The image is not signed.
//
// The format is that of Microsoft's "PE Format", for 64-bit programs (PE32+).
package uki
