package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/tracker"
)

// acceptedFile is where the standard module cve puts what a definition has decided not to
// hear of.
const (
	acceptedFile    = "etc/sysc/cve.json"
	maxAcceptedFile = 4 << 20
)

func (a *app) cveCommand() *cobra.Command {
	var opts cveOptions
	cmd := &cobra.Command{
		Use:   "cve --tracker FILE [SYSTEM]",
		Short: "List the known vulnerabilities of a system's Debian packages",
		Long: `List the known vulnerabilities of a system's Debian packages, as Debian's security
tracker knows them: FILE is what it has at /tracker/data/json, "-" standard input. The
packages are those of dpkg's database in the system. SYSTEM is the number of a generation, by default the
current one, or a system object as sysc build prints it.

What the option security.cve.ignore of the system names is left out, and counted. So is
what Debian calls unimportant, without --all. When anything is left, the exit code is 8.`,
		Example: "  sysc cve --tracker tracker.json\n  sysc cve --tracker tracker.json --fixable ./result",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.cve(cmd.Context(), args, opts) },
	}
	a.rootFlag(cmd)
	cmd.Flags().StringVar(&opts.file, "tracker", "", "the tracker's data are in `FILE`")
	cmd.Flags().StringVar(&opts.release, "release", "", "look at release `NAME`, as trixie (default: what the system says that it is)")
	cmd.Flags().BoolVar(&opts.fixable, "fixable", false, "only those that another version of the package does not have")
	cmd.Flags().BoolVar(&opts.all, "all", false, "those too that Debian calls unimportant")
	return cmd
}

type cveOptions struct {
	file, release string
	fixable, all  bool
}

// A cveReport is what sysc cve found; docs/schemas/cve.json describes it.
type cveReport struct {
	FormatVersion   string             `json:"format_version"`
	System          string             `json:"system"`
	Release         string             `json:"release"`
	Vulnerabilities []cveVulnerability `json:"vulnerabilities"`
	Ignored         []cveVulnerability `json:"ignored"`
	// Hidden are those that --fixable, or the lack of --all, leaves out.
	Hidden int `json:"hidden"`
}

type cveVulnerability struct {
	ID           string       `json:"id"`
	Source       string       `json:"source"`
	Packages     []cvePackage `json:"packages"`
	Status       string       `json:"status"`
	FixedVersion string       `json:"fixed_version,omitempty"`
	Urgency      string       `json:"urgency"`
	NoAdvisory   string       `json:"no_advisory,omitempty"`
	Description  string       `json:"description,omitempty"`
	// Reason is why it is ignored.
	Reason string `json:"reason,omitempty"`
}

type cvePackage struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Architecture  string `json:"architecture"`
	SourceVersion string `json:"source_version"`
}

func (a *app) cve(ctx context.Context, args []string, opts cveOptions) error {
	if opts.file == "" {
		return errors.New("--tracker is missing: the file that Debian's security tracker has at /tracker/data/json")
	}
	var report *cveReport
	err := a.withSystemRoot(ctx, args, func(st *localstore.Store, m *systems.Manifest) (err error) {
		report, err = a.cveReport(ctx, st, m, opts)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(report)
	} else {
		err = a.printVulnerabilities(report)
	}
	if err == nil && len(report.Vulnerabilities) > 0 {
		return &exitCode{code: exitVulnerable}
	}
	return err
}

func (a *app) cveReport(ctx context.Context, st *localstore.Store, m *systems.Manifest, opts cveOptions) (*cveReport, error) {
	installed, err := debian.ReadInstalled(ctx, st, m.Root.Tree)
	if err != nil {
		return nil, err
	}
	release := opts.release
	if release == "" {
		if release, err = debian.RootCodename(ctx, st, m.Root.Tree); err != nil {
			return nil, err
		}
	}
	if release == "" {
		return nil, errors.New("the system does not say which release it is of: name it with --release")
	}
	accepted, err := readAccepted(ctx, st, m.Root.Tree)
	if err != nil {
		return nil, err
	}
	sources, packages := map[string][]string{}, map[string][]cvePackage{}
	for _, p := range installed {
		if !slices.Contains(sources[p.Source], p.SourceVersion) {
			sources[p.Source] = append(sources[p.Source], p.SourceVersion)
		}
		packages[p.Source] = append(packages[p.Source], cvePackage{p.Name, p.Version, p.Architecture, p.SourceVersion})
	}
	found, err := a.readTracker(opts.file, release, sources)
	if err != nil {
		return nil, err
	}
	report := &cveReport{FormatVersion: "1.0", System: m.Name, Release: release, Vulnerabilities: []cveVulnerability{}, Ignored: []cveVulnerability{}}
	for _, v := range found {
		one := cveVulnerability{
			ID: v.ID, Source: v.Source, Packages: packages[v.Source], Status: string(v.Status), FixedVersion: v.FixedVersion,
			Urgency: v.Urgency, NoAdvisory: v.NoAdvisory, Description: v.Description,
		}
		reason, isAccepted := accepted[v.ID]
		switch {
		case isAccepted:
			one.Reason = reason
			report.Ignored = append(report.Ignored, one)
		case opts.fixable && v.FixedVersion == "", !opts.all && v.Urgency == tracker.Unimportant:
			report.Hidden++
		default:
			report.Vulnerabilities = append(report.Vulnerabilities, one)
		}
	}
	return report, nil
}

func (a *app) readTracker(name, release string, sources map[string][]string) ([]tracker.Vulnerability, error) {
	if name == "-" {
		return tracker.Read(os.Stdin, release, sources)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := tracker.Read(f, release, sources)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return found, nil
}

// readAccepted returns what a system's definition ignores, with the reasons.
func readAccepted(ctx context.Context, st *localstore.Store, root store.Digest) (map[string]string, error) {
	_, e, err := tree.Resolve(ctx, st, root, acceptedFile)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := st.OpenBlob(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var content struct {
		Ignore map[string]struct {
			Reason string `json:"reason"`
		} `json:"ignore"`
	}
	if err := json.NewDecoder(io.LimitReader(f, maxAcceptedFile)).Decode(&content); err != nil {
		return nil, fmt.Errorf("read /%s of the system: %v", acceptedFile, err)
	}
	accepted := make(map[string]string, len(content.Ignore))
	for id, why := range content.Ignore {
		accepted[id] = why.Reason
	}
	return accepted, nil
}

func (a *app) printVulnerabilities(r *cveReport) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, v := range r.Vulnerabilities {
		fix := "no fix"
		switch {
		case v.Status == string(tracker.Undetermined):
			fix = "undetermined"
		case v.FixedVersion != "":
			fix = "fixed in " + v.FixedVersion
		case v.NoAdvisory != "":
			fix += ": " + printableLine(firstLine(v.NoAdvisory))
		}
		fmt.Fprintf(w, "%s\t%s %s\t%s\t%s\n", printableLine(v.ID), v.Source, v.Packages[0].SourceVersion, printableLine(v.Urgency), fix)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sources := map[string]bool{}
	for _, v := range r.Vulnerabilities {
		sources[v.Source] = true
	}
	a.say("%s in %s of %s, %d ignored by the definition, %d not shown", plural(len(r.Vulnerabilities), "finding"),
		plural(len(sources), "source package"), r.Release, len(r.Ignored), r.Hidden)
	for _, v := range r.Ignored {
		a.say("ignored: %s in %s: %s", printableLine(v.ID), v.Source, printableLine(cmp.Or(v.Reason, "no reason given")))
	}
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
