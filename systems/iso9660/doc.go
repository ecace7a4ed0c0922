// Package iso9660 writes discs that machines boot from: an ISO 9660 file system with a
// few files at its top, and a boot catalogue that names those of them that firmware
// starts (El Torito).
//
// [Layout] decides where everything stands, so that a partition table can name it as well;
// [Disc.Write] writes all but the files. Names are those of the first level of
// interchange: capital letters, digits and "_", eight and three. Everything has the time
// of 1 second after the epoch. The same files give the same bytes.
//
// The formats are ECMA-119 and "El Torito" Bootable CD-ROM Format Specification 1.0, with
// the platform number for UEFI (UEFI Specification 2.10, section 13.3.2.1).
package iso9660
