package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// architectures are Debian's names of the platforms that it releases for.
var architectures = map[string]string{
	"linux/386":     "i386",
	"linux/amd64":   "amd64",
	"linux/arm":     "armhf",
	"linux/arm64":   "arm64",
	"linux/loong64": "loong64",
	"linux/ppc64le": "ppc64el",
	"linux/riscv64": "riscv64",
	"linux/s390x":   "s390x",
}

// ArchitectureAll is that of packages for every architecture.
const ArchitectureAll = "all"

// Architectures returns the names of Debian's architectures, sorted.
func Architectures() []string {
	names := slices.Collect(maps.Values(architectures))
	slices.Sort(names)
	return names
}

// IsArchitecture reports whether a name is that of one of Debian's architectures.
func IsArchitecture(name string) bool {
	_, err := Platform(name)
	return err == nil
}

// Architecture returns Debian's name of a platform: "amd64" for "linux/amd64".
func Architecture(platform string) (string, error) {
	if a, ok := architectures[platform]; ok {
		return a, nil
	}
	known := slices.Sorted(maps.Keys(architectures))
	return "", fmt.Errorf("platform %q: Debian has none such; there is %s", platform, strings.Join(known, ", "))
}

// Platform returns the platform of a Debian architecture.
func Platform(architecture string) (string, error) {
	for platform, a := range architectures {
		if a == architecture {
			return platform, nil
		}
	}
	return "", fmt.Errorf("architecture %q: not one of Debian's", architecture)
}
