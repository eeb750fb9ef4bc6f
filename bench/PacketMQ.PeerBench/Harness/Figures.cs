using System.Globalization;

namespace PeerBench;

/// <summary>Medians, and numbers as the tables show them.</summary>
public static class Figures
{
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count == 0 ? double.NaN : (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    public static string Number(double v) => Math.Abs(v) switch
    {
        double.NaN => "–",
        >= 1000 => v.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => v.ToString("0.0", CultureInfo.InvariantCulture),
        >= 0.1 => v.ToString("0.00", CultureInfo.InvariantCulture),
        >= 0.00005 => v.ToString("0.0000", CultureInfo.InvariantCulture),
        _ => "0",
    };

    public static string Ratio(double v) => double.IsNaN(v) ? "–" : v.ToString(v < 0.1 ? "0.000×" : v < 100 ? "0.00×" : "0×", CultureInfo.InvariantCulture);
}
