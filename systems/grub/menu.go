package grub

import (
	"fmt"
	"strings"
)

// Where a boot partition has what GRUB reads.
const (
	MenuName        = "grub/grub.cfg"
	EnvironmentName = "grub/grubenv"
)

// An Entry is one of the menu.
type Entry struct {
	// ID is what the environment calls it, as in "sysc-12".
	ID    string
	Title string
	// Linux and Initrd are absolute paths on the boot partition. Initrd may be empty.
	Linux, Initrd string
	Options       string // of the kernel
}

// terminals are the screen, and a serial line where there is one.
const terminals = `if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
`

// OnPartition is the configuration of a core that goes on to the menu of a FAT file
// system, by its serial number.
func OnPartition(serial uint32) string {
	return fmt.Sprintf("search.fs_uuid %04x-%04x root\nnormal ($root)/%s\n", serial>>16, serial&0xFFFF, MenuName)
}

// InImage is the configuration of a core that goes on to the menu of a FAT file system
// that is a file of a disc, and a partition of a disk that the disc was copied to. The
// search finds either.
func InImage(file string, serial uint32) string {
	return fmt.Sprintf("search.file /%s root\nloopback boot ($root)/%s\n", file, file) + OnPartition(serial)
}

// Menu returns the menu, with entries in their order. A machine with an environment
// block starts what that says; one without starts the first.
func Menu(entries []Entry, withEnvironment bool, timeout int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "set timeout=%d\n%s", timeout, terminals)
	if withEnvironment {
		b.WriteString(count())
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "menuentry %s --id %s {\n  linux %s %s\n", quote(e.Title), quote(e.ID), quote(e.Linux), words(e.Options))
		if e.Initrd != "" {
			fmt.Fprintf(&b, "  initrd %s\n", quote(e.Initrd))
		}
		b.WriteString("}\n")
	}
	return []byte(b.String())
}

// count is the part of a menu that decides what is started, and counts tries. GRUB
// cannot subtract. What is written has to be on the disk before anything is started.
func count() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load_env --file ($root)/%s %s %s %s\n", EnvironmentName, goodName, nextName, triesName)
	fmt.Fprintf(&b, "set default=\"$%s\"\nset fallback=\"$%s\"\nset try=\n", goodName, goodName)
	fmt.Fprintf(&b, "if [ \"$%s\" ]; then\n", nextName)
	for n := 1; n <= MaxTries; n++ {
		word := "elif"
		if n == 1 {
			word = "if"
		}
		fmt.Fprintf(&b, "  %s [ \"$%s\" = %d ]; then set %s=%d; set try=1\n", word, triesName, n, triesName, n-1)
	}
	b.WriteString("  fi\n")
	fmt.Fprintf(&b, "  if [ \"$try\" ]; then\n    if save_env --file ($root)/%s %s; then set default=\"$%s\"; fi\n  fi\nfi\n", EnvironmentName, triesName, nextName)
	return b.String()
}

// quote writes a word so that GRUB's scripts take it as it is.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// words quotes each word of a line.
func words(line string) string {
	list := strings.Fields(line)
	for i, w := range list {
		list[i] = quote(w)
	}
	return strings.Join(list, " ")
}
