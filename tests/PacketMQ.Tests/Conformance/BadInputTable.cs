using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;

namespace PacketMQ.Tests.Conformance;

/// <summary>The catalogue of bad input as attacks: the bytes of its cases, or for those in prose the bytes that it means.</summary>
internal static class BadInputTable
{
    private const int Keys = 100_000;

    /// <summary>A map whose keys all have one hash, if it is that of <see cref="long"/>: its halves combined.</summary>
    public static byte[] CollidingKeys { get; } = MapOf(Enumerable.Range(1, Keys).Select(i => ((long)i << 32) | (uint)i));

    public static byte[] RandomKeys { get; } = MapOf(RandomNumbers().Distinct().Take(Keys));

    public static ImmutableSortedDictionary<string, BadInput> All { get; } =
        Framing().Concat(Msgpack()).Concat(Handshakes()).Concat(States()).Concat(IdMaps()).Concat(PayloadTypes()).Concat(SoftQuits())
            .ToImmutableSortedDictionary(input => input.Name, input => input, StringComparer.Ordinal);

    private static IEnumerable<BadInput> Framing() =>
    [
        Refused("F01", Stage.Connected, CloseReason.FrameTooLarge),
        Refused("F01 after INIT", Stage.AfterInit, CloseReason.FrameTooLarge),
        Refused("F01 once active", Stage.Active, CloseReason.FrameTooLarge),
        Refused("F02", Stage.Connected, CloseReason.FrameTooLarge),
        Refused("F02 after INIT", Stage.AfterInit, CloseReason.FrameTooLarge),
        Accepted("F03", Stage.Active, WireBytes.Frame(TargetLog.TargetId, [0xc6, 0x00, 0x01, 0x86, 0x98, .. new byte[99_992]])) with
        {
            Handled = 1,
            Fits = value => value is byte[] { Length: 99_992 },
        },
        Refused("F04", Stage.Connected, CloseReason.FrameTooLarge),
        Refused("F04 once active", Stage.Active, CloseReason.FrameTooLarge),
        Refused("F05", Stage.Connected, CloseReason.FrameTooLarge),
        Refused("F05 once active", Stage.Active, CloseReason.FrameTooLarge),
        Refused("F06", Stage.Connected, CloseReason.FrameTooSmall),
        Refused("F06 once active", Stage.Active, CloseReason.FrameTooSmall),
        Refused("F08", Stage.Connected, CloseReason.MalformedPayload),
        Ended("F11", Stage.Active, CloseReason.TruncatedFrame) with { Afterwards = Afterwards.EndsItsStream },
        Ended("F11 in the handshake", Stage.Connected, CloseReason.TruncatedFrame) with { Afterwards = Afterwards.EndsItsStream },
        Ended("F11 one MiB declared", Stage.Active, CloseReason.TruncatedFrame, WireBytes.Hex("00100000 0011 c6")) with
        {
            Afterwards = Afterwards.EndsItsStream,
        },
        Refused("F14", Stage.Connected, CloseReason.FrameTooLarge) with { IsDropped = true, Hint = "looks like HTTP" },
        Refused("F15", Stage.Connected, CloseReason.FrameTooLarge) with { IsDropped = true, Hint = "looks like TLS" },
        Refused("F17", Stage.Connected, [0, 16, 0, 2, 0, 0, .. new byte[1024 * 1024]], CloseReason.FrameTooLarge) with { IsFlood = true },
    ];

    private static IEnumerable<BadInput> Msgpack() =>
    [
        Refused("M01", Stage.Active, CloseReason.MalformedPayload),
        Refused("M03", Stage.Active, CloseReason.MalformedPayload),
        Refused("M06", Stage.Active, CloseReason.MalformedPayload),
        Refused("M11", Stage.Active, ToTarget([0x81, 0xa1, (byte)'x', .. Repeat(0x91, 65), 0xc0]), CloseReason.DepthExceeded) with
        {
            Target = TargetLog.Typed<OneField>,
        },
        Refused(
            "M12", Stage.Active,
            ToTarget([.. Enumerable.Repeat(WireBytes.Hex("dc7b0c"), 480).SelectMany(header => header), .. Repeat(0xc0, 30_060)]),
            CloseReason.MalformedPayload),
        Refused("M14", Stage.Active, CloseReason.DuplicateKey),
        Refused("M14 typed", Stage.Active, CloseReason.DuplicateKey) with { Target = TargetLog.Typed<OneField> },
        Refused(
            "M14 in INIT", Stage.Connected,
            WireBytes.Frame(WireBytes.InitId, WireBytes.Hex("82 c407 76657273696f6e 01 a7 76657273696f6e 01")), CloseReason.DuplicateKey),
        Refused(
            "M14 in INIT, the empty key", Stage.Connected,
            WireBytes.Frame(WireBytes.InitId, WireBytes.Hex("83 a0 00 c400 00 c407 76657273696f6e 01")), CloseReason.DuplicateKey),
        Accepted("M15", Stage.Active, ToTarget(CollidingKeys)) with
        {
            Handled = 1,
            Fits = value => value is PacketMap { Count: Keys },
            Options = options => options with { MaxItemsPerPacket = 3 * Keys },
        },
        Refused("M15 too many", Stage.Active, ToTarget(CollidingKeys), CloseReason.TooManyItems),
        Refused("M16", Stage.Active, CloseReason.MalformedPayload),
        Refused(
            "M16 in a name", Stage.AfterInit,
            WireBytes.Frame(WireBytes.IdMapId, WireBytes.Hex("82 a56164617074 c2 a569646d6170 81 a2c328 11")), CloseReason.MalformedPayload),
        Refused(
            "M16 in a reason", Stage.Active,
            WireBytes.Frame(WireBytes.SoftQuitId, WireBytes.Hex("81 a6726561736f6e a2c328")), CloseReason.MalformedPayload),
        Refused("M17", Stage.Active, CloseReason.MalformedPayload),
        Refused("M19", Stage.Active, CloseReason.MalformedPayload),
        Refused("M21 int", Stage.Active, CloseReason.TypeMismatch) with { Target = TargetLog.Typed<int> },
        Refused("M21 long", Stage.Active, CloseReason.TypeMismatch) with { Target = TargetLog.Typed<long> },
        Accepted("M21 dynamic", Stage.Active) with { Handled = 1, Fits = value => value is ulong.MaxValue },
        Refused("M23", Stage.Active, CloseReason.MalformedPayload),
        Accepted("M24 dynamic", Stage.Active) with { Handled = 1, Fits = value => value is PacketExtension { TypeCode: -1 } },
        Refused("M24 typed", Stage.Active, ToTarget(WireBytes.Hex("81 a161 c70cff 00000000 7fffffffffffffff")), CloseReason.TypeMismatch) with
        {
            Target = TargetLog.Typed<OneTime>,
        },
        Refused("M25", Stage.Active, CloseReason.TypeMismatch),
        Refused("M25 typed", Stage.Active, CloseReason.TypeMismatch) with { Target = TargetLog.Typed<OneField> },
        Accepted("M26", Stage.Active) with { Handled = 1, Fits = value => value is PacketExtension { TypeCode: 100, Data.Length: 5 } },
        Accepted("M27", Stage.Active) with { Handled = 1, Fits = value => value is PacketExtension { TypeCode: 99, Data.Length: 6 } },
        Accepted("M28 bin", Stage.Active) with { Handled = 1, Fits = value => value is byte[] { Length: 0 } },
        Accepted("M28 str", Stage.Active, ToTarget([0xa0])) with { Handled = 1, Fits = value => value is "" },
        Accepted("M28 array", Stage.Active, ToTarget([0x90])) with { Handled = 1, Fits = value => value is object?[] { Length: 0 } },
        Accepted("M28 map", Stage.Active, ToTarget([0x80])) with { Handled = 1, Fits = value => value is PacketMap { Count: 0 } },
        Accepted("M29", Stage.Active) with { Handled = 1, Fits = value => value is 1L },
    ];

    private static IEnumerable<BadInput> Handshakes() =>
    [
        Accepted("H01", Stage.Connected),
        Refused("H03", Stage.Connected, CloseReason.VersionMismatch),
        Refused("H04", Stage.Connected, CloseReason.VersionMismatch),
        Refused("H05", Stage.Connected, CloseReason.BadHandshake),
        Refused("H07", Stage.Connected, CloseReason.BadHandshake),
        Refused("H08", Stage.Connected, CloseReason.BadHandshake),
        Refused("H09", Stage.Connected, CloseReason.BadHandshake),
        Refused("H10", Stage.Connected, CloseReason.UnexpectedPacket),
        Refused("H12", Stage.Connected, CloseReason.UnexpectedPacket),
        Refused("H13", Stage.Connected, CloseReason.UnexpectedPacket),
    ];

    private static IEnumerable<BadInput> States() =>
    [
        Refused("S01", Stage.Connected, CloseReason.UnexpectedPacket),
        Refused("S02", Stage.Connected, CloseReason.UnexpectedPacket),
        Refused("S05", Stage.Active, WireBytes.Finish, CloseReason.UnexpectedPacket),
        Ended(
            "S06", Stage.Active, "reason.bye",
            [.. WireBytes.SoftQuit("reason.bye"), .. Enumerable.Repeat(ToTarget([0xc0]), 1_000).SelectMany(frame => frame)]),
    ];

    private static IEnumerable<BadInput> IdMaps()
    {
        IEnumerable<BadInput> rows =
        [
            Refused("R01", Stage.AfterInit, CloseReason.IdMapInvalid),
            Refused("R02", Stage.AfterInit, CloseReason.DuplicateKey),
            Refused("R03", Stage.AfterInit, CloseReason.ReservedId),
            Refused("R04", Stage.AfterInit, CloseReason.ReservedId),
            Refused("R05", Stage.AfterInit, CloseReason.IdMapInvalid),
            Refused("R06", Stage.AfterInit, CloseReason.IdMapInvalid),
            Refused("R07", Stage.AfterInit, CloseReason.IdMapInvalid),
            Refused("R09", Stage.AfterInit, CloseReason.SameAdaptivePolicy),
            Refused("R11", Stage.AfterInit, ManyNames(), CloseReason.TooManyPackets),
            Refused("R11 empty names", Stage.AfterInit, ManyEmptyNames(), CloseReason.TooManyPackets),
            // 65 000 pairs need 130 000 bytes, which no id map has: refused before anybody counts names.
            Refused("R11 declared", Stage.AfterInit, ManyNames(declared: 65_000), CloseReason.MalformedPayload),
            Refused("R13", Stage.AfterInit, CloseReason.NameInvalid),
            Refused("R16", Stage.AfterInit, CloseReason.BadHandshake),
            Refused("R17", Stage.AfterInit, CloseReason.BadHandshake),
        ];
        BadInput neither = Refused(
            "R09 neither adapts", Stage.AfterInit, WireBytes.Frame(WireBytes.IdMapId, WireBytes.Hex("82 a56164617074 c2 a569646d6170 80")),
            CloseReason.SameAdaptivePolicy);
        return [.. rows.Select(row => row with { Adapts = true }), neither with { Adapts = false }];
    }

    private static IEnumerable<BadInput> PayloadTypes() =>
    [
        Refused("P01", Stage.Active, CloseReason.TypeMismatch) with { Target = TargetLog.Typed<OneField> },
        Accepted("P01 left out", Stage.Active) with
        {
            Target = TargetLog.Typed<OneField>,
            Options = options => options with { UnfitPayload = RefusalAction.Skip },
        },
        Refused("P02", Stage.Active, CloseReason.UnknownPacket),
        Accepted("P02 left out", Stage.Active) with { Options = options => options with { UnknownPacket = RefusalAction.Skip } },
        Accepted("P04", Stage.Active) with
        {
            Handled = 1,
            Fits = value => value is PacketMap { Count: 1 } map && map["$type"] is "System.IO.FileInfo, mscorlib",
        },
        Accepted("P04 typed", Stage.Active) with { Handled = 1, Target = TargetLog.Typed<OneField>, Fits = value => value is OneField { Field: 0 } },
        Accepted("P05", Stage.Active, ToTarget(ManyFields(10_000))) with
        {
            Handled = 1,
            Target = TargetLog.Typed<OneField>,
            Fits = value => value is OneField { Field: 7 },
        },
    ];

    private static IEnumerable<BadInput> SoftQuits() =>
    [
        Ended("Q01", Stage.Connected, "reason.unknown"),
        Ended("Q01 another reason", Stage.Connected, "reason.bye", WireBytes.SoftQuit("reason.bye")),
        Ended("Q02", Stage.Connected, CloseReason.Unknown),
        Ended("Q02 once active", Stage.Active, CloseReason.Unknown),
        Ended("Q03", Stage.Connected, CloseReason.Unknown),
        Ended("Q03 once active", Stage.Active, CloseReason.Unknown),
        Ended("Q04", Stage.Connected, CloseReason.Unknown),
        Ended("Q04 once active", Stage.Active, CloseReason.Unknown),
        Ended("Q06", Stage.Connected, CloseReason.Unknown),
        Ended("Q06 once active", Stage.Active, CloseReason.Unknown),
    ];

    /// <summary>A map of unknown fields behind the one that is known.</summary>
    public static byte[] ManyFields(int count)
        =>
        [
            0xde, (byte)((count + 1) >> 8), (byte)(count + 1), 0xa1, (byte)'a', 7,
            .. Enumerable.Range(0, count).SelectMany(i => (byte[])[.. WireBytes.Binary(i.ToString(CultureInfo.InvariantCulture)), 0xc0]),
        ];

    /// <summary>A map of nothing under these keys, each in nine bytes.</summary>
    private static byte[] MapOf(IEnumerable<long> keys)
    {
        byte[] bytes = new byte[5 + (10 * Keys)];
        bytes[0] = 0xdf;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), Keys);
        int at = 5;
        foreach (long key in keys)
        {
            bytes[at] = 0xd3;
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(at + 1), key);
            bytes[at + 9] = 0xc0;
            at += 10;
        }

        return bytes;
    }

    private static IEnumerable<long> RandomNumbers()
    {
        var random = new Random(15);
        while (true)
            yield return random.NextInt64(1L << 40, long.MaxValue);
    }

    public static byte[] ToTarget(byte[] payload) => WireBytes.Frame(TargetLog.TargetId, payload);

    private static BadInput Refused(string name, Stage stage, CloseReason reason) => Refused(name, stage, BytesOf(name), reason);

    private static BadInput Refused(string name, Stage stage, byte[] bytes, CloseReason reason) => new(name, stage, bytes) { Reason = reason };

    private static BadInput Ended(string name, Stage stage, CloseReason reason) => Ended(name, stage, reason, BytesOf(name));

    private static BadInput Ended(string name, Stage stage, CloseReason reason, byte[] bytes)
        => new(name, stage, bytes) { Reason = reason, Initiator = CloseInitiator.Remote };

    private static BadInput Accepted(string name, Stage stage) => Accepted(name, stage, BytesOf(name));

    private static BadInput Accepted(string name, Stage stage, byte[] bytes) => new(name, stage, bytes);

    private static byte[] BytesOf(string name) => WireBytes.Hex(BadInputCase.All[name.Split(' ')[0]].Bytes);

    /// <summary>As many different names as one id map holds.</summary>
    private static byte[] ManyNames(int? declared = null)
    {
        const int count = 16_000;
        var entries = new List<byte>();
        for (int i = 0; i < count; i++)
            entries.AddRange([0xa2, (byte)('0' + (i % 70)), (byte)('0' + (i / 70 % 70)), 0xcd, (byte)((i + 16) >> 8), (byte)(i + 16)]);
        return ManyEntries(declared ?? count, entries);
    }

    private static byte[] ManyEmptyNames() => ManyEntries(49_000, [.. Enumerable.Repeat((byte[])[0xa0, 0x11], 49_000).SelectMany(entry => entry)]);

    private static byte[] ManyEntries(int count, List<byte> entries)
        => WireBytes.Frame(
            WireBytes.IdMapId,
            [.. WireBytes.Hex("82 a56164617074 c2 a569646d6170"), 0xde, (byte)(count >> 8), (byte)count, .. entries]);

    private static IEnumerable<byte> Repeat(byte value, int count) => Enumerable.Repeat(value, count);
}
