//go:build soak

package debian_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/deb822"
	"sysc/systems/distro/debian/universe"
)

var (
	soakSets = flag.Int("sets", 100, "how many sets of packages to choose, for each release")
	soakSeed = flag.Uint64("seed", rand.Uint64(), "where the random numbers begin")
)

// soakReleases are the releases whose archives are asked.
var soakReleases = []string{"trixie", "bookworm"}

// maxWants is the most packages that one set asks for.
const maxWants = 200

// TestSoakChoices chooses random sets of packages of whole releases. apt must find the
// answer complete and free of conflicts, must refuse what has none, and must choose
// the same, except where the difference has one of the reasons of
// docs/debian-differences.md.
func TestSoakChoices(t *testing.T) {
	t.Logf("go on with -seed %d", *soakSeed)
	for _, release := range soakReleases {
		t.Run(release, func(t *testing.T) {
			s := newChoices(t, release)
			for range *soakSets {
				s.one(s.names())
			}
			s.report()
		})
	}
}

// A choices compares what we choose of a release with what apt chooses.
type choices struct {
	t    *testing.T
	real *realIndexes
	apt  *apt
	u    *universe.Universe
	all  []string // names of all packages, sorted
	// stanzas are the packages' by name and version, as their indexes have them.
	stanzas map[string]string
	rng     *rand.Rand

	sets, same, refused, aptFailed int
	reasons                        map[string]int
}

func newChoices(t *testing.T, release string) *choices {
	settings := realSettings()
	settings.Suites = []string{release, release + "-updates"}
	real, err := readRelease(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	s := &choices{t: t, real: real, apt: newApt(t, real), rng: rand.New(rand.NewPCG(*soakSeed, 1)), stanzas: map[string]string{}, reasons: map[string]int{}}
	var lists []universe.Index
	for _, index := range real.revision.Indexes {
		text := readIndex(t, real, index)
		s.readStanzas(text)
		list, err := universe.ReadIndex(bytes.NewReader(text), settings.Architecture, debian.ArchitectureAll)
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, universe.Index{Origin: &universe.Origin{}, Packages: list})
	}
	if s.u, err = universe.New(settings.Architecture, lists...); err != nil {
		t.Fatal(err)
	}
	s.all = slices.Sorted(s.u.Names)
	return s
}

func (s *choices) readStanzas(index []byte) {
	r := deb822.NewReader(bytes.NewReader(index))
	for {
		st, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.t.Fatal(err)
		}
		var text strings.Builder
		for _, f := range st.Fields {
			if name := string(f.Name); name != "Description" {
				fmt.Fprintf(&text, "%s: %s\n", name, deb822.Fold(string(f.Value)))
			}
		}
		s.stanzas[st.Value("Package")+" "+st.Value("Version")] = text.String() + "Description: x\n"
	}
}

// names picks packages. Small sets are as likely as large ones.
func (s *choices) names() []string {
	n := int(math.Exp(s.rng.Float64() * math.Log(maxWants+1)))
	var names []string
	for range n {
		names = append(names, s.all[s.rng.IntN(len(s.all))])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// one chooses what some packages need. Of those that cannot be there together one is
// left out, until there is an answer.
func (s *choices) one(names []string) {
	for {
		request := debian.Request{}
		for _, n := range names {
			request.Packages = append(request.Packages, debian.Want{Name: n})
		}
		packages, err := s.real.universe.Resolve(request)
		var impossible *debian.UnsatisfiableError
		if !errors.As(err, &impossible) {
			if err != nil {
				s.t.Fatalf("%v: %v", names, err)
			}
			s.sets++
			s.check(names, packages)
			s.compare(names, packages)
			return
		}
		s.refused++
		if _, err := s.apt.choose(s.t, impossible.Wants); err == nil {
			s.t.Errorf("%v: apt finds an answer, we do not: %v", impossible.Wants, impossible)
		}
		drop := impossible.Wants[s.rng.IntN(len(impossible.Wants))]
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == drop })
	}
}

// check has apt say whether packages have all that they need, and no conflict.
func (s *choices) check(names []string, packages []debian.Package) {
	var status strings.Builder
	for _, chosen := range packages {
		status.WriteString(s.stanzas[chosen.Name+" "+chosen.Version] + "Status: install ok installed\n\n")
	}
	dir := s.t.TempDir()
	writeFile(s.t, filepath.Join(dir, "status"), []byte(status.String()))
	options := slices.Concat(s.apt.options, []string{
		"-o", "Dir::State::Status=" + filepath.Join(dir, "status"), "-o", "Dir::Cache=" + dir, "-o", "Dir::Etc::SourceList=/dev/null",
		"check",
	})
	cmd := exec.CommandContext(s.t.Context(), "apt-get", options...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("%v: apt-get check: %v\n%s", names, err, out)
	}
}

func (s *choices) find(name, version string) *universe.Package {
	for _, id := range s.u.Versions(name) {
		if p := s.u.Package(id); p.Version == version {
			return p
		}
	}
	s.t.Fatalf("no package %s %s", name, version)
	return nil
}

// compare compares with apt's choice, and wants a reason for each difference.
func (s *choices) compare(names []string, packages []debian.Package) {
	theirs, err := s.apt.choose(s.t, names)
	if err != nil {
		s.aptFailed++
		s.t.Logf("%v: apt finds no answer, and ours is one: %v", names, err)
		return
	}
	var ours []string
	for _, p := range packages {
		ours = append(ours, p.Name+" "+p.Version)
	}
	if slices.Equal(ours, theirs) {
		s.same++
		return
	}
	d := &choiceDifference{u: s.u, ours: newChoice(s.u, ours), theirs: newChoice(s.u, theirs), wanted: slices.Concat(s.apt.base, names)}
	reasons, unexplained := d.explain()
	for reason, n := range reasons {
		s.reasons[reason] += n
	}
	for _, u := range unexplained {
		s.t.Errorf("%v: unexplained: %s", names, u)
	}
}

func (s *choices) report() {
	s.t.Logf("%d sets: %d exactly as apt chooses, %d others, %d that apt finds no answer to; %d refused by both; reasons %v",
		s.sets, s.same, s.sets-s.same-s.aptFailed, s.aptFailed, s.refused, s.reasons)
}

// readRelease reads a release's indexes.
func readRelease(ctx context.Context, settings debian.Settings) (*realIndexes, error) {
	r := &realIndexes{}
	r.fetcher = &debian.Downloads{Mirrors: debian.Mirrors(settings, os.Getenv, "/"), Dir: sharedDir}
	var err error
	if r.revision, err = debian.Update(ctx, debian.Archives(settings), r.fetcher, time.Now(), debian.Revision{}); err != nil {
		return nil, err
	}
	r.universe, err = readUniverse(ctx, r.revision, settings.Architecture, r.fetcher)
	return r, err
}

// choose returns "name version" of what apt would install, sorted. It simulates nothing,
// which would take ten times as long.
func (a *apt) choose(t *testing.T, names []string) ([]string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "apt-get", slices.Concat(a.options, []string{"--print-uris", "install"}, a.base, names)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %s", err, out[max(0, len(out)-500):])
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		// 'ADDRESS' NAME_VERSION_ARCHITECTURE.deb SIZE [HASH]
		if words := strings.Fields(line); len(words) >= 3 && strings.HasPrefix(words[0], "'") {
			parts := strings.Split(strings.ReplaceAll(words[1], "%3a", ":"), "_")
			list = append(list, parts[0]+" "+parts[1])
		}
	}
	slices.Sort(list)
	return list, nil
}
