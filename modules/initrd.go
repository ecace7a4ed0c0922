package modules

import (
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/modules/option"
	"sysc/systems"
)

// Values of boot.initrd.
const (
	initrdSysc         = systems.InitrdSysc
	initrdDistribution = "distribution"
)

// initrd returns what sysc's initrd of a system has in it, nil when there is none of
// sysc's: when the distribution makes it, or when nothing has been said and no package
// has a kernel. def has its packages and kernel parameters.
func (r *reader) initrd(boot *option.Node, def *systems.Definition) *systems.Initrd {
	modules := r.texts(boot, "initrd_modules")
	who, given := r.maybeText(boot, "initrd")
	if who == initrdDistribution || !given && !slices.ContainsFunc(def.Packages, hasKernel) {
		return nil
	}
	r.checkInitrd(boot, def)
	slices.Sort(modules)
	made := &systems.Initrd{Modules: slices.Compact(modules)}
	return made
}

// hasKernel reports whether a package of Debian's is one with a kernel, or needs one
// that is.
func hasKernel(p systems.Package) bool {
	return strings.HasPrefix(p.Name, "linux-image-") && !strings.HasSuffix(p.Name, "-dbg")
}

// rootParams begin parameters of the kernel that tell the distribution's initrd where the
// root is (initramfs-tools(7), cryptsetup's README.initramfs, dracut.cmdline(7)).
var rootParams = []string{"root=", "rootflags=", "rootfstype=", "nfsroot=", "boot=", "cryptopts=", "cryptdevice=", "rd."}

// initramfsSuffix ends names of Debian's packages that add to initramfs-tools' initrd.
const initramfsSuffix = "-initramfs"

// checkInitrd reports what a definition wants of its initrd that sysc's does not do.
func (r *reader) checkInitrd(boot *option.Node, def *systems.Definition) {
	params := r.option(boot, "kernel_params")
	for i, p := range def.KernelParams {
		if slices.ContainsFunc(rootParams, func(prefix string) bool { return strings.HasPrefix(p, prefix) }) {
			r.unsuitable(elementRange(params, i, r.by), "The kernel parameter "+p)
		}
	}
	packages, _ := r.namedPackages("packages")
	for _, p := range packages {
		if name, _, _ := strings.Cut(p.text, "="); strings.HasSuffix(name, initramfsSuffix) {
			r.unsuitable(p.at, "The package "+name)
		}
	}
}

func (r *reader) unsuitable(at diag.Range, what string) {
	r.diags = append(r.diags, diag.Errorf(at, "Not in sysc's initrd",
		"%s is for the distribution's initrd. sysc's mounts a generation from a data partition with ext4, Btrfs or XFS, and knows no LUKS, LVM, RAID or network root. Set boot.initrd = \"distribution\" where the machine needs them.", what)...)
}

// elementRange is where the i-th element of a list stands, if that is known.
func elementRange(n *option.Node, i int, otherwise diag.Range) diag.Range {
	if ranges := n.Elements(); i < len(ranges) {
		return rangeOr(ranges[i], rangeOf(n, otherwise))
	}
	return rangeOf(n, otherwise)
}

func rangeOr(at, otherwise diag.Range) diag.Range {
	if at.IsZero() {
		return otherwise
	}
	return at
}
