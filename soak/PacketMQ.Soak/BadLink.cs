using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PacketMQ.Soak;

/// <summary>What a link does to packets: the share of them that it loses, doubles, or lets overtake others, and how long each takes one way.</summary>
internal readonly record struct Weather(double Lost, double Doubled, double Overtaking, TimeSpan Delay, TimeSpan Jitter);

/// <summary>
/// A link that is not as good as loopback: a TUN device which gives each packet of IP back with its two addresses exchanged. Who connects to the
/// far address of a family so reaches who listens on its near one, through this link both ways; checksums are sums and stay right.
/// </summary>
internal sealed partial class BadLink : IDisposable
{
    private const string Name = "soak0";
    private const int MostWaiting = 10_000; // packets; more are lost, as on any link
    private const int Gust = 500; // ms, for which packets take the same time

    private static readonly Dictionary<AddressFamily, (int Offset, int Length)> Addresses = new()
    {
        [AddressFamily.InterNetwork] = (12, 4),
        [AddressFamily.InterNetworkV6] = (8, 16),
    };

    private readonly PriorityQueue<byte[], (long Due, long Number)> _waiting = new();
    private readonly Random _random = new(1);
    private readonly FileStream _device; // no buffer: each read and write is one packet
    private Weather _weather;
    private long _lastDue;
    private long _delay;
    private long _delayUntil;
    private long _number;
    private bool _isDown;

    private BadLink(SafeFileHandle device)
    {
        _device = new FileStream(device, FileAccess.ReadWrite, bufferSize: 0);
        new Thread(Take) { IsBackground = true, Name = "link in" }.Start();
        new Thread(Give) { IsBackground = true, Name = "link out" }.Start();
    }

    /// <summary>The near and the far address of each kind: of IPv4, of IPv6, and one of IPv6 that is of this link only.</summary>
    public static (string Near, string Far)[] Ends { get; } = [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2"), ($"fe80::1%{Name}", $"fe80::2%{Name}")];

    public Weather Weather
    {
        set
        {
            lock (_waiting)
                (_weather, _delayUntil) = (value, 0);
        }
    }

    /// <summary>Makes the link in the network of this process.</summary>
    public static async Task<BadLink> OpenAsync()
    {
        SafeFileHandle device = File.OpenHandle("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        byte[] request = new byte[40]; // struct ifreq
        Encoding.ASCII.GetBytes(Name, request);
        BitConverter.TryWriteBytes(request.AsSpan(16), (short)0x1001); // IFF_TUN, IFF_NO_PI
        if (SetInterface(device, 0x400454ca, request) != 0) // TUNSETIFF
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        await OwnNetwork.DoAsync("ip", "link", "set", Name, "up").ConfigureAwait(false);
        await OwnNetwork.DoAsync("ip", "address", "add", "10.9.0.1/24", "dev", Name).ConfigureAwait(false);
        await OwnNetwork.DoAsync("ip", "address", "add", "fd09::1/64", "dev", Name, "nodad").ConfigureAwait(false);
        await OwnNetwork.DoAsync("ip", "address", "add", "fe80::1/64", "dev", Name, "nodad").ConfigureAwait(false);
        return new BadLink(device);
    }

    /// <summary>How large a packet of IP may be, in bytes.</summary>
    public static Task SetMtuAsync(int mtu) => OwnNetwork.DoAsync("ip", "link", "set", Name, "mtu", $"{mtu}");

    public void Dispose()
    {
        lock (_waiting)
        {
            _isDown = true;
            Monitor.Pulse(_waiting);
        }

        _device.Dispose();
    }

    private void Take()
    {
        byte[] buffer = new byte[65_536];
        try
        {
            while (true)
            {
                int count = _device.Read(buffer);
                AddressFamily family = buffer[0] >> 4 == 6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
                (int offset, int length) = Addresses[family];
                byte[] packet = buffer[..count];
                buffer.AsSpan(offset, length).CopyTo(packet.AsSpan(offset + length));
                buffer.AsSpan(offset + length, length).CopyTo(packet.AsSpan(offset));
                lock (_waiting)
                {
                    for (int copies = _random.NextDouble() < _weather.Doubled ? 2 : 1; copies > 0; copies--)
                        Send(packet);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // It is down.
        }
    }

    // Packets stay in order, whatever time each is to take, but for those that overtake.
    private void Send(byte[] packet)
    {
        if (_random.NextDouble() < _weather.Lost || _waiting.Count >= MostWaiting)
            return;
        long now = Environment.TickCount64;
        if (now >= _delayUntil)
        {
            _delay = (long)(_weather.Delay + (_weather.Jitter * ((2 * _random.NextDouble()) - 1))).TotalMilliseconds;
            _delayUntil = now + Gust;
        }

        // Who overtakes takes no time at all.
        long due = now;
        if (_random.NextDouble() >= _weather.Overtaking)
            due = _lastDue = Math.Max(now + _delay, _lastDue);
        _waiting.Enqueue(packet, (due, _number++));
        Monitor.Pulse(_waiting);
    }

    private void Give()
    {
        try
        {
            while (true)
            {
                byte[] packet;
                lock (_waiting)
                {
                    while (!_waiting.TryPeek(out _, out var next) || next.Due > Environment.TickCount64)
                    {
                        if (_isDown)
                            return;
                        Monitor.Wait(_waiting, _waiting.Count == 0 ? Timeout.Infinite : (int)Math.Max(1, next.Due - Environment.TickCount64));
                    }

                    packet = _waiting.Dequeue();
                }

                _device.Write(packet);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // It is down.
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int SetInterface(SafeFileHandle device, nuint request, byte[] argument);
}
