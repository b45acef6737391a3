"""Domains as three versions of libvirt tell them, cut to what is read of them."""

HOSTILE = "[red]web\n\u202e\u00e9" + "x" * 246
"""What an operator of another tool may have called something: 255 bytes of it."""

RUNNING_9_0 = """
<domain type='qemu' id='7'>
  <name>web-01</name>
  <uuid>22ba86cd-6bf8-4681-a1ed-93609df63086</uuid>
  <metadata>
    <x:a xmlns:x="urn:foo:1">hey</x:a>
    <v:backup
      xmlns:v="urn:vmsnap-tui:vmsnap-ab12cd34-20261120T133321Z-0a1b2c3d-scratch"
      operation="0123456789ab" run="7"/>
    <v:backup
      xmlns:v="urn:vmsnap-tui:vmsnap-ab12cd34-20260101T000000Z-0a1b2c3d-scratch"
      operation="../../etc/x"/>
  </metadata>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type><boot dev='hd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/img/web.s2' index='8'/>
      <backingStore type='file' index='7'>
        <format type='qcow2'/>
        <source file='/img/web.s1'/>
        <backingStore type='block' index='5'>
          <format type='raw'/>
          <source dev='/dev/vg/web'/>
          <backingStore/>
        </backingStore>
      </backingStore>
      <target dev='vda' bus='virtio'/>
      <alias name='virtio-disk0'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/img/data.qcow2' index='4'/>
      <backingStore/>
      <mirror type='file' file='/img/copy.qcow2' format='qcow2' job='copy' ready='yes'>
        <format type='qcow2'/>
        <source file='/img/copy.qcow2' index='9'/>
        <backingStore/>
      </mirror>
      <target dev='vdb' bus='virtio'/>
      <shareable/>
      <alias name='virtio-disk1'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu'/>
      <target dev='hdb' bus='ide'/>
      <readonly/>
      <alias name='ide0-0-1'/>
    </disk>
    <channel type='unix'>
      <target type='virtio' name='com.example.0' state='connected'/>
    </channel>
    <channel type='unix'>
      <source mode='bind' path='/run/agent'/>
      <target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>
      <alias name='channel0'/>
    </channel>
  </devices>
  <seclabel type='dynamic' model='selinux' relabel='yes'><label>x</label></seclabel>
  <seclabel type='dynamic' model='dac' relabel='yes'>
    <label>+64055:+64055</label>
    <imagelabel>+64055:+64055</imagelabel>
  </seclabel>
</domain>
"""

RUNNING_11_3 = """
<domain type='kvm' id='2'>
  <name>db-01</name>
  <uuid>9f3b0f6c-5f5e-4dc2-8f6b-0a3a4ad33f19</uuid>
  <os firmware='efi'>
    <type arch='x86_64' machine='pc-q35-10.0'>hvm</type>
    <loader readonly='yes' secure='no' type='pflash' format='raw'>/usr/OVMF.fd</loader>
    <nvram template='/usr/VARS.fd' format='raw'>/var/nvram/db-01.fd</nvram>
  </os>
  <devices>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='rbd' name='pool/db' index='1'>
        <host name='mon1' port='6789'/>
      </source>
      <target dev='vda' bus='virtio'/>
      <alias name='virtio-disk0'/>
    </disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source protocol='nbd' name='data' index='2'>
        <host transport='unix' socket='/run/nbd.sock'/>
      </source>
      <backingStore/>
      <mirror type='file' job='active-commit'>
        <format type='qcow2'/>
        <source file='/img/base' index='3'/>
      </mirror>
      <target dev='sda' bus='scsi'/>
    </disk>
    <disk type='volume' device='lun'>
      <driver name='qemu' type='raw'/>
      <source pool='iscsi' volume='unit:0:0:1' mode='host'/>
      <target dev='sdb' bus='scsi'/>
    </disk>
    <disk type='vhostuser' device='disk'>
      <driver name='qemu' type='raw'/>
      <source type='unix' path='/run/vhost.sock' index='6'/>
      <target dev='vdc' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""

OFF_12_8 = """
<domain type='kvm'>
  <name>win11</name>
  <uuid>0b8e6f6a-0c59-4a1d-bb1e-7e1c8b9fb7a1</uuid>
  <os><type arch='x86_64' machine='pc-q35-rhel9.6.0'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/img/win11.qcow2'>
        <dataStore type='file'>
          <format type='raw'/><source file='/img/win11.raw'/>
        </dataStore>
      </source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='floppy'>
      <target dev='fda' bus='fdc'/>
    </disk>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
  </devices>
</domain>
"""
