package activate

import (
	"os"
	"strings"

	"sysc/systems/boot"
	"sysc/systems/generation"
)

// Booted returns the generation that the machine at dir runs, by the kernel's command
// line: 0 when dir is not the root of the running system, or it was not sysc's entry
// that booted it.
func Booted(dir string) generation.Number {
	here, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	top, err := os.Stat("/")
	if err != nil || !os.SameFile(here, top) {
		return 0
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return 0
	}
	return bootedBy(string(line))
}

// bootedBy reads a kernel's command line. Of a parameter that stands twice the last
// counts, as for the kernel.
func bootedBy(line string) (booted generation.Number) {
	for word := range strings.FieldsSeq(line) {
		if value, ok := strings.CutPrefix(word, boot.GenerationParam+"="); ok {
			if n, err := generation.ParseNumber(value); err == nil {
				booted = n
			}
		}
	}
	return booted
}
