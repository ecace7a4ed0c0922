package modules

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/modules/option"
	"sysc/systems"
	"sysc/systems/fstab"
)

// A coreOption is one row of the table of sysc's own options.
type coreOption struct {
	path        string
	typ         *option.Type // nil for labelled options
	labels      []string
	labelType   *option.Type
	value       cty.Value // the default; cty.NilVal for none
	valueText   string    // what documentation says of a default that is not the same for all
	description string
}

// Patterns of the core's own types.
const (
	// hostnamePattern is a label of RFC 1123, section 2.1.
	hostnamePattern = `[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?`
	// modePattern is an octal mode, set-id and sticky bits included.
	modePattern = `[0-7]{3,4}`
	// accountPattern is what useradd(8) accepts on Debian.
	accountPattern = `[a-z_][a-z0-9_-]{0,30}[a-z0-9_$-]?`
	// unitPattern is a name of systemd.unit(5) with its suffix.
	unitPattern  = `[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)`
	checkPattern = `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`
	// durationPattern is what time.ParseDuration reads, as far as people write it.
	durationPattern = `([0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h))+`
	// maxID is the highest user and group id; 65535 and 4294967295 mean "no
	// change" to chown(2), and what is above 60000 in 16 bits is not for us.
	maxID = 4294967293
	// minBootLimit leaves room for a generation and the one to go back to.
	minBootLimit, maxBootLimit = 2, 1000
	maxBootTries               = 99
)

// coreOptions is the table of the options that sysc itself declares for systems:
// the primitives that everything else is made of. system is the name of the system
// that has them.
func coreOptions(system string) []coreOption {
	str, path, list := option.String(), option.Path(), option.List
	nullText := option.Nullable(str)
	null := cty.NullVal(cty.String)
	mode := mustPattern(modePattern).Called("a mode of three or four octal digits, such as \"0644\",")
	account := mustPattern(accountPattern).Called("a name of lower-case letters, digits, - and _")
	owner := mustPattern(accountPattern + `|[0-9]{1,10}`).Called("a name of lower-case letters, digits, - and _, or a number,")
	unit := mustPattern(unitPattern).Called("a unit's name with its suffix, such as hello.service,")
	packageVersion := mustPattern(`[A-Za-z0-9.+~:-]+\*?`).Called("a version, or the beginning of one and *,")
	module := mustPattern(modulePattern).Called("the name of a kernel module, such as \"megaraid_sas\",")
	noStrings := cty.ListValEmpty(cty.String)
	return []coreOption{
		{path: "hostname", typ: mustPattern(hostnamePattern).Called("a label of 1 to 63 letters, digits and hyphens"),
			value:       hostnameOf(system),
			valueText:   "the system's name",
			description: "The machine's name: one label of letters, digits and hyphens. The default is the system's name, where that is one."},

		{path: "packages", typ: list(option.Package()), value: noStrings,
			description: "What is installed: names of packages of the system's base (\"git\"), of another input (\"trixie:git\"), of another architecture (\"libc6:i386\"), or outputs of derivations, which are laid out below /usr/local."},
		{path: "exclude_packages", typ: list(str), value: noStrings,
			description: "Packages of the base that are not installed, whatever asks for them. What cannot do without one of them cannot be installed either."},
		{path: "hold_packages", typ: list(str), value: noStrings,
			description: "Packages that sysc update leaves in the versions that they have in sysc.lock."},
		{path: "base_packages", typ: option.Enum("required", "essential", "none"), value: cty.StringVal("required"),
			description: "The packages that the system has without naming them: the distribution's required ones, its essential ones only, or none."},
		{path: "install_recommends", typ: option.Bool(), value: cty.False,
			description: "Whether packages that installed ones recommend are installed as well."},

		{path: "package", labels: []string{"name"}, labelType: mustPattern(`[a-z0-9][a-z0-9+.-]+`).Called("the name of a package"),
			description: "Another form of a package than its archive's: in another version, with patches, or a package file of the definition's own, also of what no archive has."},
		{path: "package.version", typ: option.Nullable(packageVersion), value: null,
			description: "The version that is taken, or the beginning of one and *, whatever asks for the package. Null takes the best one."},
		{path: "package.patch", typ: option.Nullable(option.Either(str, list(str))), value: cty.NullVal(cty.DynamicPseudoType),
			description: "The store path of a patch, or a list of them, with which the package is built from its source package, as source(\"./x.patch\") returns it. They are applied in their order, by patch -p1. Null takes the package as it is."},
		{path: "package.from", typ: nullText, value: null,
			description: "The store path of the package file (.deb) that is installed, or of a directory with one file NAME_*.deb, as a derivation makes it. What such a file of the module, or one that is fetched, says of itself is what is resolved; of what is built it is what the archive's says. Null takes the archive's."},

		{path: "file", labels: []string{"path"}, labelType: path,
			description: "A file of the system. Its content is given as text or taken from a file in the store."},
		{path: "file.content", typ: nullText, value: null,
			description: "The file's text. Either this or source is set."},
		{path: "file.source", typ: nullText, value: null,
			description: fileSource},
		{path: "file.mode", typ: mode, value: cty.StringVal("0644"),
			description: "Permissions, in octal."},
		{path: "file.user", typ: owner, value: cty.StringVal("root"),
			description: "The user that the file belongs to: a name, or a number."},
		{path: "file.group", typ: owner, value: cty.StringVal("root"),
			description: "The group that the file belongs to: a name, or a number."},

		{path: "directory", labels: []string{"path"}, labelType: path,
			description: "A directory of the system. What packages and other options put into it stays."},
		{path: "directory.mode", typ: mode, value: cty.StringVal("0755"),
			description: "Permissions, in octal."},
		{path: "directory.user", typ: owner, value: cty.StringVal("root"),
			description: "The user that the directory belongs to: a name, or a number."},
		{path: "directory.group", typ: owner, value: cty.StringVal("root"),
			description: "The group that the directory belongs to: a name, or a number."},

		{path: "symlink", labels: []string{"path"}, labelType: path,
			description: "A symbolic link of the system."},
		{path: "symlink.target", typ: mustPattern(`[^\x00]+`).Called("a path"),
			description: "What the link points to, absolute or relative to the link's directory."},

		{path: "filesystem", labels: []string{"mountpoint"}, labelType: path,
			description: "A file system that is mounted when the machine starts, by its mount point: a line of /etc/fstab. The mount point is made where there is none. What is mounted while the machine runs stays as it is until it starts again."},
		{path: "filesystem.device", typ: nullText, value: null,
			description: "What is mounted: /dev/…, UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=…, HOST:/DIRECTORY, or a path with the option \"bind\" or \"loop\". Null for types without a device, such as tmpfs."},
		{path: "filesystem.type", typ: mustPattern(`[a-z0-9][a-z0-9._+-]*`).Called("a type of mount(8), such as \"ext4\","), value: cty.StringVal(fstab.Auto),
			description: "The type of the file system; \"auto\" takes what is found on the device."},
		{path: "filesystem.options", typ: list(mustPattern(`[^\s,\x00]+`).Called("one option without blanks and commas, such as \"noatime\",")), value: noStrings,
			description: "Options of mount(8) and systemd.mount(5), one in each element."},
		{path: "filesystem.nofail", typ: option.Bool(), value: cty.False,
			description: "Whether the machine starts without it, and does not wait for it. Without the file system, and without nofail, systemd goes into its emergency mode."},
		{path: "filesystem.check", typ: option.Bool(), value: cty.True,
			description: "Whether fsck checks it before it is mounted, if it is on a device."},

		{path: "user", labels: []string{"name"}, labelType: account,
			description: "A user account. Its password is locked; a package's account of that name is changed rather than made."},
		{path: "user.uid", typ: option.Nullable(idType()), value: cty.NullVal(cty.Number),
			description: "The user's number. By default one that sysc.lock keeps: from 1000 up, or below 900 for system users."},
		{path: "user.group", typ: option.Nullable(account), value: null,
			description: "The user's primary group. By default a group of the user's own name and number."},
		{path: "user.groups", typ: list(account), value: noStrings,
			description: "Further groups that the user is a member of."},
		{path: "user.description", typ: mustPattern(`[^:\n\x00]*`).Called("a text of one line without colons"), value: cty.StringVal(""),
			description: "The user's full name or purpose."},
		{path: "user.home", typ: option.Nullable(path), value: null,
			description: "The home directory. By default /home/NAME, or /nonexistent for system users."},
		{path: "user.shell", typ: option.Nullable(path), value: null,
			description: "The login shell. By default /bin/bash, or /usr/sbin/nologin for system users."},
		{path: "user.system", typ: option.Bool(), value: cty.False,
			description: "Whether the account belongs to a service rather than a person."},

		{path: "group", labels: []string{"name"}, labelType: account,
			description: "A group of users."},
		{path: "group.gid", typ: option.Nullable(idType()), value: cty.NullVal(cty.Number),
			description: "The group's number. By default one that sysc.lock keeps: from 1000 up, or below 900 for system groups."},
		{path: "group.members", typ: list(account), value: noStrings,
			description: "Users that are members of the group."},
		{path: "group.system", typ: option.Bool(), value: cty.False,
			description: "Whether the group belongs to a service rather than to people."},

		{path: "unit", labels: []string{"name"}, labelType: unit,
			description: "A systemd unit, by its name with suffix: a new one, or one that a package ships."},
		{path: "unit.content", typ: option.Nullable(mustSimple("lines")), value: null,
			description: "The unit file's text; several definitions are joined. Null leaves the text to the package that ships the unit."},
		{path: "unit.enable", typ: option.Nullable(option.Bool()), value: cty.NullVal(cty.Bool),
			description: unitEnable},
		{path: "unit.wanted_by", typ: list(unit), value: noStrings,
			description: "The units that start this one, such as multi-user.target. By default what its [Install] section names."},
		{path: "unit.mask", typ: option.Bool(), value: cty.False,
			description: unitMask},

		{path: "health_check", labels: []string{"name"}, labelType: mustPattern(checkPattern).Called("a name of letters, digits, -, _ and ."),
			description: "Something that has to hold on the machine for its generation to be good. It takes exactly one of command, http, tcp and unit."},
		{path: "health_check.command", typ: list(str), value: noStrings,
			description: "A program of the machine with its arguments, one in each element, that has to end with 0."},
		{path: "health_check.http", typ: option.Nullable(mustPattern(`https?://[^\s]+`).Called("an address that begins with http:// or https://")), value: null,
			description: "An address that has to answer with a status of 200 to 399."},
		{path: "health_check.tcp", typ: option.Nullable(mustPattern(`[^\s]+:[0-9]{1,5}`).Called("HOST:PORT")), value: null,
			description: "A host and port, as in \"localhost:22\", where somebody has to accept connections."},
		{path: "health_check.unit", typ: option.Nullable(unit), value: null,
			description: "A systemd unit that has to be active."},
		{path: "health_check.timeout", typ: mustPattern(durationPattern).Called("a duration, such as \"90s\" or \"2m\","), value: cty.StringVal("1m"),
			description: "How long it may take until the check holds; until then it is repeated."},
		{path: "health_check.severity", typ: option.Enum("required", "wanted"), value: cty.StringVal("required"),
			description: "Whether the generation is bad without it, or the check only warns."},

		{path: "services",
			description: "What the machine does for others and for itself."},
		{path: "networking",
			description: "How the machine is connected."},
		{path: "security",
			description: "Who may do what."},
		{path: "time",
			description: "Clocks and time zones."},
		{path: "i18n",
			description: "Languages and conventions."},

		{path: "kernel",
			description: "What is set of the kernel while the machine starts. Its command line is boot.kernel_params."},
		{path: "kernel.modules", typ: list(module), value: noStrings,
			description: "Kernel modules that are loaded when the machine starts, in their order, besides those that devices ask for: /etc/modules-load.d/sysc.conf."},
		{path: "kernel.blacklist", typ: list(module), value: noStrings,
			description: "Kernel modules that are not loaded because there is a device for them: /etc/modprobe.d/sysc.conf. The initrd does not look at it."},
		{path: "kernel.sysctl", typ: option.Map(option.Either(option.Bool(), option.Either(option.Integer(), str))), value: cty.MapValEmpty(cty.DynamicPseudoType),
			description: "Parameters of the kernel by their names in sysctl(8), such as \"net.ipv4.ip_forward\": /etc/sysctl.d/99-sysc.conf, which counts more than what packages set. true is 1, false 0."},

		{path: "boot",
			description: "How the system boots."},
		{path: "boot.kernel_params", typ: list(mustPattern(`[^\s\x00]+`).Called("one parameter without blanks")), value: noStrings,
			description: "Parameters that are appended to the kernel's command line, one in each element."},
		{path: "boot.initrd", typ: option.Nullable(option.Enum(initrdSysc, initrdDistribution)), value: null,
			description: "Who makes what the kernel starts first: \"sysc\" makes one that finds the data partition and mounts a generation from it; \"distribution\" has the packages of the system make theirs, such as initramfs-tools. By default it is sysc, where a package has a kernel."},
		{path: "boot.initrd_modules", typ: list(module), value: noStrings,
			description: "Kernel modules that reach the machine's disks and that sysc's initrd does not have by itself. Each is loaded where there is a device for it."},
		{path: "boot.limit", typ: option.Nullable(mustBetween(minBootLimit, maxBootLimit)), value: cty.NullVal(cty.Number),
			description: "How many generations have an entry in the boot menu at most, so that kernels do not fill the boot partition. The current generation, the one that runs, the one to go back to, and pinned ones keep theirs in any case; by default all do."},
		{path: "boot.sysc", typ: option.Nullable(option.Bool()), value: cty.NullVal(cty.Bool),
			description: "Whether the system has sysc, which in a machine that boots into its generations makes and takes others, and finds out when the machine starts whether its generation is good. It is the sysc that evaluates the definition. By default it is there with sysc's initrd, on that sysc's own platform."},
		{path: "boot.tries", typ: mustBetween(0, maxBootTries), value: cty.NumberIntVal(0),
			description: "How often the boot loader tries a new generation before it boots the last good one instead, for systemd-boot, which counts, and systemd, which ends the counting when boot-complete.target is reached. 0 does not count."},
	}
}

// What systems and homes say alike.
const (
	fileSource = "The store path of the file whose bytes are taken, as source() or a derivation returns it."
	unitEnable = "Whether the unit is started by what wants it. By default it is, unless it is masked, or has neither wanted_by nor an [Install] section."
	unitMask   = "Whether the unit is made impossible to start."
)

// hostnameOf returns the host name of a system that does not state one, or
// cty.NilVal for a name that cannot be one.
func hostnameOf(system string) cty.Value {
	name := cty.StringVal(system)
	if _, err := mustPattern(hostnamePattern).Fit(name); err != nil {
		return cty.NilVal
	}
	return name
}

// coreSchema returns a schema with the core's options of a system or a home in it.
func coreSchema(kind systems.Kind, name string) *option.Schema {
	schema := option.NewSchema()
	options := coreOptions(name)
	if kind == systems.Home {
		options = homeOptions()
	}
	for _, c := range options {
		o := option.Option{Path: c.path, Type: c.typ, Labels: c.labels, Description: c.description, DefaultText: c.valueText, Module: option.CoreModule}
		if c.labelType != nil {
			o.LabelTypes = []*option.Type{c.labelType}
		}
		if c.value != cty.NilVal {
			o.Default = option.Literal(c.value)
		}
		if _, diags := schema.Declare(o); diags.HasErrors() {
			panic("modules.coreSchema: " + diags.Err().Error()) // the table contradicts itself
		}
	}
	return schema
}

func mustPattern(expr string) *option.Type {
	t, err := option.Pattern(expr)
	if err != nil {
		panic("modules.coreOptions: " + err.Error())
	}
	return t
}

func mustSimple(name string) *option.Type {
	t, ok := option.Simple(name)
	if !ok {
		panic("modules.coreOptions: no type " + name)
	}
	return t
}

func idType() *option.Type { return mustBetween(0, maxID) }

func mustBetween(lowest, highest int64) *option.Type {
	t, err := option.Between(cty.NumberIntVal(lowest).AsBigFloat(), cty.NumberIntVal(highest).AsBigFloat())
	if err != nil {
		panic("modules.coreOptions: " + err.Error())
	}
	return t
}
