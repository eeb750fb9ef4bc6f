using System.Globalization;

namespace PacketMQ.Soak;

/// <summary>What was measured against what is wanted.</summary>
internal sealed class TargetTable
{
    private readonly List<(string What, string Measured, string Wanted, bool IsMet)> _rows = [];

    public void AtMost(string what, double measured, double most, string unit)
        => _rows.Add((what, Text(measured, unit), $"at most {Text(most, unit)}", measured <= most));

    public void Exactly(string what, long measured, long wanted) => _rows.Add((what, Text(measured, ""), Text(wanted, ""), measured == wanted));

    /// <summary>Prints the table. Whether all targets were met.</summary>
    public bool Print()
    {
        Console.WriteLine("\n| what | measured | target | met |\n|---|---:|---:|---|");
        foreach (var (what, measured, wanted, isMet) in _rows)
            Console.WriteLine($"| {what} | {measured} | {wanted} | {(isMet ? "yes" : "**no**")} |");
        return _rows.TrueForAll(row => row.IsMet);
    }

    private static string Text(double value, string unit) => string.Create(CultureInfo.InvariantCulture, $"{value:#,0.##} {unit}").TrimEnd();
}
