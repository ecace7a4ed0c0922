package earlyboot

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parameters are what the kernel's command line says to the initrd. Each is a word
// "sysc.NAME=VALUE"; the last of a name counts.
type Parameters struct {
	// Generation is the number of the generation to boot (sysc.generation).
	Generation int
	// Data is the partition of the machine's data (sysc.data): "PARTLABEL=…", as it
	// is named in the partition table, "UUID=…", as the file system is, or a path
	// "/dev/…".
	Data string
	// Grow lets the partition of the data, and an ext4 file system on it, take what is
	// free behind it on its disk (sysc.grow=1).
	Grow bool
	// Image is a file of the initrd that has the whole root, as SquashFS or EROFS
	// (sysc.image): the machine runs from memory, and has neither generation nor data.
	Image string
	// Watchdog is after how much time a watchdog resets the machine unless the
	// system takes it over, in whole seconds (sysc.watchdog). 0 arms none.
	Watchdog time.Duration
}

// maxWatchdog bounds the time of a watchdog, as the kernel's interface does.
const maxWatchdog = 1<<16 - 1

// ParseParameters reads a command line, /proc/cmdline.
func ParseParameters(line string) (*Parameters, error) {
	p := &Parameters{}
	for word := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "sysc.generation":
			p.Generation, err = parseNumber(value, 1, 1<<31-1)
		case "sysc.data":
			p.Data = value
		case "sysc.grow":
			var n int
			n, err = parseNumber(value, 0, 1)
			p.Grow = n == 1
		case "sysc.image":
			p.Image = value
		case "sysc.watchdog":
			var seconds int
			seconds, err = parseNumber(value, 0, maxWatchdog)
			p.Watchdog = time.Duration(seconds) * time.Second
		}
		if err != nil {
			return nil, fmt.Errorf("command line: %s: %v", name, err)
		}
	}
	switch {
	case p.Image != "":
	case p.Generation == 0:
		return nil, fmt.Errorf("command line: sysc.generation is missing")
	case p.Data == "":
		return nil, fmt.Errorf("command line: sysc.data is missing")
	}
	return p, nil
}

func parseNumber(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a number from %d to %d", s, low, high)
	}
	return n, nil
}
