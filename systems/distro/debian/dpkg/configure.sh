# Configures the Debian packages of the root that it runs in. See configure.go.
#
# Arguments are packages that are unpacked on top of a root which was configured
# before: for each its name, and its file or a directory that has it.
set -eu
umask 022

admin=/var/lib/dpkg
stage=$admin/sysc
exec </dev/null

step() { echo "== $*"; }

# No service may be started: nothing here is the machine that these packages are
# for. invoke-rc.d and deb-systemd-invoke ask this program (policy-rc.d(8)).
policy=/usr/sbin/policy-rc.d
printf '#!/bin/sh\nexit 101\n' >$policy
chmod 0755 $policy

DPKG_FORCE=confold,unsafe-io
export DPKG_FORCE

running=$(dpkg-query --showformat='${Version}' --show dpkg 2>/dev/null || echo 1)

# dpkg runs a preinst out of a directory with the package's control members, and
# debconf looks there to learn whose script it is.
run_preinst() { # INFO-NAME PACKAGE ARCHITECTURE VERSION
	rm -rf $admin/tmp.ci
	mkdir $admin/tmp.ci
	for member in "$admin/info/$1".*; do
		name=${member#"$admin/info/$1."}
		case $name in
		*.*) ;; # of a package with a dot in its name
		*) cp -p "$member" "$admin/tmp.ci/$name" ;;
		esac
	done
	printf 'Package: %s\nVersion: %s\nArchitecture: %s\n' "$2" "$4" "$3" >$admin/tmp.ci/control
	DPKG_MAINTSCRIPT_PACKAGE=$2 DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_ARCH=$3 \
	DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0 DPKG_ADMINDIR=$admin DPKG_ROOT= \
	DPKG_RUNNING_VERSION=$running $admin/tmp.ci/preinst install || {
		echo "preinst of $2 failed" >&2
		exit 1
	}
	rm -rf $admin/tmp.ci
}

# configure_core makes work what every script may call, and runs the preinst scripts,
# in a root that packages were laid out in.
configure_core() {
	# base-passwd comes first in the list: it makes passwd and group.
	if [ -s $stage/preinst ]; then
		read -r info package architecture version <$stage/preinst
		if [ "$package" = base-passwd ]; then
			step "preinst base-passwd"
			run_preinst "$info" "$package" "$architecture" "$version"
		fi
	fi

	# What every other script may call must work before dpkg gets to order things:
	# awk is an alternative that mawk's postinst makes, and so on. Their dependencies
	# are not configured yet, hence --force-depends; they are unpacked, which is
	# enough for these.
	core=
	for package in base-passwd base-files libc6 libc-bin mawk dpkg perl-base debconf; do
		if [ -e $admin/info/$package.list ]; then
			core="$core $package"
		elif [ -e $admin/info/$package:$SYSC_DEBIAN_ARCHITECTURE.list ]; then
			core="$core $package:$SYSC_DEBIAN_ARCHITECTURE"
		fi
	done
	if [ -n "$core" ]; then
		step "configure$core"
		dpkg --force-depends --configure $core
	fi

	step "preinst of all packages"
	while read -r info package architecture version; do
		[ "$package" = base-passwd ] || run_preinst "$info" "$package" "$architecture" "$version"
	done <$stage/preinst

	# Files that waited until their package's preinst had diverted another package's
	# file. If it said so without moving it (dpkg-divert --no-rename), dpkg would have
	# unpacked the other one under its new name at once: so does this.
	while read -r number package path; do
		step "place $path of $package"
		diverted=$(dpkg-divert --truename "$path")
		if [ "$diverted" != "$path" ] && [ -e "$path" ] && [ ! -e "$diverted" ]; then
			mv "$path" "$diverted"
		fi
		mv -f "$stage/$number" "$path"
	done <$stage/staged
}

# unpack_added has dpkg unpack packages on top of those that are configured. Their
# order does not matter: what they need is unpacked before anything is configured.
unpack_added() {
	mkdir $stage
	while [ $# -gt 0 ]; do
		file=$2
		[ ! -d "$file" ] || file=$(echo "$file/$1"_*.deb)
		printf '%s\0' "$file" >>$stage/files
		shift 2
	done
	step "unpack"
	DPKG_FORCE=$DPKG_FORCE,depends xargs -0 dpkg --unpack <$stage/files
}

if [ $# -eq 0 ]; then
	configure_core
else
	unpack_added "$@"
fi

# man-db would index all manual pages: seconds of work for a cache that the
# machine can make. The answer is only an answer: a definition may give another.
if [ -e $admin/info/man-db.list ] && command -v debconf-set-selections >/dev/null; then
	echo 'man-db man-db/auto-update boolean false' | debconf-set-selections
fi

# The initrd is made once, when everything is configured: the kernel's postinst and
# then the triggers of all packages that have a part in it would each make it, at
# half a minute a time. With INITRD=No, which the kernel's hooks know as well, it is
# not made at all. The program is moved, not diverted, so dpkg's database has nothing
# of it.
initramfs=/usr/sbin/update-initramfs
if [ -x $initramfs ]; then
	mv $initramfs $stage/update-initramfs
	printf '#!/bin/sh\n: >>%s/initramfs-wanted\n' $stage >$initramfs
	chmod 0755 $initramfs
fi

# A kernel's postinst waits for depmod, which decompresses thousands of modules. It has done
# so by then: it begins now, and whoever calls it waits for it. The lock is what its
# processes have open; what they read counts only if nobody has changed it since.
depmod=/usr/sbin/depmod
if [ -e $depmod ] && command -v flock >/dev/null; then
	ln -s "$(readlink -f $depmod)" $stage/depmod
	mv $depmod $stage/depmod-own
	cat >$depmod <<-EOT
		#!/bin/sh
		flock $stage/depmod-lock true
		if [ \$# -eq 1 ] && [ -e "$stage/depmod-of-\$1" ]; then
			changed=\$(find "/lib/modules/\$1/" /lib/depmod.d/ /etc/depmod.d/ -mindepth 1 ! -name 'modules.*' -cnewer $stage/depmod-lock 2>/dev/null | head -n 1)
			[ -n "\$changed" ] || exit 0
		fi
		exec $stage/depmod "\$@"
	EOT
	chmod 0755 $depmod
	exec 9>$stage/depmod-lock
	flock 9
	for kernel in /boot/vmlinuz-*; do
		version=${kernel#/boot/vmlinuz-}
		if [ -d "/lib/modules/$version" ] && [ ! -e "/lib/modules/$version/modules.dep" ]; then
			$stage/depmod "$version" && : >"$stage/depmod-of-$version"
		fi
	done &
	exec 9>&-
fi

step "configure all packages"
dpkg --configure -a

if [ -e $stage/depmod-lock ]; then
	flock $stage/depmod-lock true
	mv -f $stage/depmod-own $depmod
fi

if [ -e $stage/update-initramfs ]; then
	mv -f $stage/update-initramfs $initramfs
	if [ -e $stage/initramfs-wanted ] && [ "${INITRD:-}" != No ]; then
		for kernel in /boot/vmlinuz-*; do
			[ ! -e "$kernel" ] || $initramfs -c -k "${kernel#/boot/vmlinuz-}"
		done
	fi
fi

step "remove traces of this run"
rm -rf $stage $policy

# Each of these differs from run to run or names this machine or moment:

# Identity: an empty machine-id says that the first boot makes one
# (machine-id(5)); D-Bus uses it too. Keys that everyone knows are none.
if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi
rm -f /var/lib/dbus/machine-id
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
# Without these, what asks for them takes the identity that the firmware has.
rm -f /etc/nvme/hostid /etc/nvme/hostnqn
rm -f /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/private/ssl-cert-snakeoil.key
# Seeds of random numbers are only good once.
rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed

# Logs tell of this run. Files stay, because some services want theirs there with
# the owner that the package gave it.
find /var/log -type f -exec sh -c 'for f; do : >"$f"; done' sh {} +

# Backups of what scripts changed, in the order in which they did.
rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid-
rm -f $admin/status-old $admin/available-old $admin/diversions-old $admin/statoverride-old
rm -f /var/cache/debconf/*-old
# Locks of the tools that changed them.
rm -f /etc/.pwd.lock $admin/triggers/Lock.lock

# Caches: ldconfig's has inode numbers and times, apt's is about what can be
# had at the moment, manual pages' and fontconfig's name times of files.
rm -f /var/cache/ldconfig/aux-cache
for cache in /var/cache/man /var/cache/fontconfig /var/cache/apt /var/lib/apt/lists; do
	[ ! -d $cache ] || find $cache -type f -delete
done

# dpkg writes these in its own order, and not when there is nothing new in them.
for file in $admin/triggers/*; do
	[ ! -s "$file" ] || sort -o "$file" "$file"
done

# Scratch space is nobody's.
find /tmp /run /var/tmp -xdev -mindepth 1 -delete 2>/dev/null || true
