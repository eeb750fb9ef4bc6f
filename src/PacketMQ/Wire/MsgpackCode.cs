namespace PacketMQ.Wire;

/// <summary>The first bytes of msgpack values, as the msgpack specification lists them.</summary>
internal static class MsgpackCode
{
    public const byte MaxPositiveFixInt = 0x7f;
    public const byte MinFixMap = 0x80;
    public const byte MinFixArray = 0x90;
    public const byte MaxFixArray = 0x9f;
    public const byte MinFixStr = 0xa0;
    public const byte MaxFixStr = 0xbf;
    public const byte Nil = 0xc0;
    public const byte NeverUsed = 0xc1;
    public const byte Bin8 = 0xc4;
    public const byte Bin16 = 0xc5;
    public const byte Bin32 = 0xc6;
    public const byte Ext8 = 0xc7;
    public const byte Ext16 = 0xc8;
    public const byte Ext32 = 0xc9;
    public const byte FixExt1 = 0xd4;
    public const byte FixExt16 = 0xd8;
    public const byte Str8 = 0xd9;
    public const byte Str16 = 0xda;
    public const byte Str32 = 0xdb;
    public const byte Array16 = 0xdc;
    public const byte Array32 = 0xdd;
    public const byte Map16 = 0xde;
    public const byte Map32 = 0xdf;
    public const byte MinNegativeFixInt = 0xe0;

    /// <summary>The extension type of a timestamp, -1 as a byte.</summary>
    public const byte TimestampType = 0xff;

    /// <summary>How many bytes a number, a boolean or nil takes as a whole; 0 for a code from 0xc0 to 0xdf that is none of these.</summary>
    public static int ScalarBytes(byte code) => code is >= Nil and < MinNegativeFixInt ? ScalarSizes[code - Nil] : 0;

    /// <summary>How many bytes say the length or count that follows a code from 0xc0 to 0xdf.</summary>
    public static int LengthBytes(byte code) => LengthSizes[code - Nil];

    private static ReadOnlySpan<byte> ScalarSizes =>
    [
        1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9, // nil, -, false, true, bin, ext, float, uint
        2, 3, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // int, fixext, str, array, map
    ];

    private static ReadOnlySpan<byte> LengthSizes =>
    [
        0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, // bin, ext
        0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4, // str, array, map
    ];
}
