package systems

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
)

const programBuilder = "builtin:sysc"

// ProgramPath is where a system that can change itself has sysc.
const ProgramPath = "/usr/bin/sysc"

// A Program is sysc itself, as a file of a system: the one that evaluates the definition,
// which is another for each version.
type Program struct {
	Digest store.Digest
	Size   int64 // bytes
}

// ProgramBuiltins returns the step that [AddProgram] adds. open opens the file of this
// program.
func ProgramBuiltins(open func() (*os.File, error)) map[string]builtin.Func {
	return map[string]builtin.Func{programBuilder: func(ctx context.Context, s *builtin.Step) error {
		f, err := open()
		if err != nil {
			return err
		}
		defer f.Close()
		blob, size, err := s.Store.AddFile(ctx, f, true)
		if err != nil {
			return err
		}
		if want := s.Derivation.Fixed; want == nil || blob != want.Digest {
			return errors.New("the system was evaluated by another sysc, which it is to have: evaluate it with this one")
		}
		return s.SetFile(ctx, derivations.DefaultOutput, blob, size, true, nil)
	}}
}

// AddProgram declares what a system needs to change itself and to know whether it is good:
// sysc, and the units by which it has its say when the machine is started.
func AddProgram(g *derivations.Graph, def *Definition, p Program, o derivations.Origin) error {
	fixed, ok := derivations.MakeFixed(derivations.ModeExecutable, p.Digest)
	if !ok {
		return errors.New("add sysc to a system: no such mode")
	}
	fixed.Size = p.Size
	h, err := g.Add(derivations.Derivation{Name: "sysc", Platform: derivations.PlatformAny, Builder: programBuilder, Fixed: fixed}, o)
	if err != nil {
		return fmt.Errorf("add sysc to system %s: %w", def.Name, err)
	}
	source, err := g.Placeholder(derivations.Ref{Derivation: h, Output: derivations.DefaultOutput})
	if err != nil {
		return err
	}
	def.Files = append(def.Files, File{Path: ProgramPath, Source: source, Digest: p.Digest, Size: p.Size, Mode: 0o755, User: "root", Group: "root", Position: def.Position})
	for _, u := range programUnits {
		u.Position = def.Position
		def.Units = append(def.Units, u)
	}
	return nil
}

// programUnits are the steps of starting a machine that sysc does, where the machine boots
// into its generations, and not from memory or as a container. None waits for what a
// usual unit waits for, so that they are there when something else does not come up.
//
//   - sysc-booted notes, early, which generation runs
//   - sysc-health finds out whether it is good; boot-complete.target needs it, as it
//     needs the checks of others (systemd.special(7))
//   - sysc-good takes the counter from its boot entry, as systemd-bless-boot.service(8)
//     does, which need not be installed
var programUnits = []Unit{
	{Name: "sysc-booted.service", Enable: true, Content: `[Unit]
Description=Note which generation runs
ConditionKernelCommandLine=sysc.generation
ConditionPathIsMountPoint=/efi
DefaultDependencies=no
Conflicts=shutdown.target
After=local-fs.target efi.mount
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=` + ProgramPath + ` booted

[Install]
WantedBy=sysinit.target
`},
	{Name: "sysc-health.service", Enable: true, Content: `[Unit]
Description=Find out whether the generation is good
ConditionKernelCommandLine=sysc.generation
DefaultDependencies=no
Conflicts=shutdown.target
After=sysc-booted.service
Before=boot-complete.target shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=` + ProgramPath + ` booted --check

[Install]
RequiredBy=boot-complete.target
`},
	{Name: "sysc-good.service", Enable: true, Content: `[Unit]
Description=Keep the generation as a good one
ConditionKernelCommandLine=sysc.generation
ConditionPathIsMountPoint=/efi
DefaultDependencies=no
Conflicts=shutdown.target
Requires=boot-complete.target
After=boot-complete.target systemd-bless-boot.service
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=` + ProgramPath + ` booted --good

[Install]
WantedBy=sysinit.target
`},
}
