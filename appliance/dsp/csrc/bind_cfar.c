/* cfar: the Python side. */

#include <math.h>

#include "binding.h"
#include "cfar.h"

static const char cfar_doc[] =
    "CfarDetector(*, rows, bins, bands, looks, looks_shape, looks_independent)\n--\n\n"
    "The arithmetic of a detector of constant false-alarm rate over Doppler bands.\n\n"
    "Args:\n"
    "    rows: 1 to 32, of all carriers and microphones.\n"
    "    bins: 1 to 4096, of a spectrum.\n"
    "    bands: 1 to 64 pairs of a first bin and the one behind the last.\n"
    "    looks: spectra that the slow test averages, 1 to 64.\n"
    "    looks_shape: shape parameter of the gamma distribution of each band's power over its floor, averaged over\n"
    "        rows.\n"
    "    looks_independent: independent spectra that `looks` are worth.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char cfar_band_power_doc[] =
    "band_power_into($self, /, power_dbfs, power)\n--\n\n"
    "Fill `power` float64 [carriers, mics, bands] from `power_dbfs` float32 [carriers, mics, bins].";

static const char cfar_begin_doc[] =
    "begin($self, /, floor)\n--\n\n"
    "Judge by `floor` float64 [carriers, mics, bands] from now on; earlier looks are forgotten.\n\n"
    "Raises:\n"
    "    ValueError: a power is not above 0.";

static const char cfar_judge_doc[] =
    "judge($self, /, power_dbfs)\n--\n\n"
    "The highest deviate that `power_dbfs` float32 [carriers, mics, bins] brings: of one band in this look or in the\n"
    "mean of the last looks, or of all together. NaN, and nothing changed, where the power is not a number.";

static const char cfar_clearer_doc[] =
    "clearer_into($self, /, values)\n--\n\n"
    "Fill `values` float64 [3, bands] with ratio, deviate and mean floor of what was judged last, from the last look\n"
    "or the mean of the last looks, whichever has the higher deviate.";

static void cfar_destroy(void *core)
{
    pp_cfar_destroy(core);
}

static PyObject *cfar_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "bins", "bands", "looks", "looks_shape", "looks_independent", NULL};
    pp_cfar_spec spec = {0};
    PyObject *bands = NULL;
    PyObject *shapes = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iiOiOd:CfarDetector", names, &spec.rows, &spec.bands.bins,
                                     &bands, &spec.looks, &shapes, &spec.looks_independent) ||
        !pp_take_bands(bands, shapes, &spec.bands, spec.looks_shape)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_cfar_create(&spec, reason), cfar_destroy, reason);
}

static void cfar_dealloc(PyObject *self)
{
    pp_unwrap(self, cfar_destroy);
}

/* A buffer of [carriers, mics, last] with as many rows as the core has. */
static bool take_rows(const pp_cfar *core, PyObject *object, pp_buffer_wish wish, Py_buffer *view)
{
    if (!pp_take(object, &wish, view)) {
        return false;
    }
    const Py_ssize_t rows = (Py_ssize_t)pp_cfar_rows(core);
    if (view->shape[0] > rows || view->shape[1] > rows || view->shape[0] * view->shape[1] != rows) {
        PyErr_Format(PyExc_ValueError, "%s: wanted %zd rows of carriers and microphones, got [%zd, %zd]", wish.name, rows,
                     view->shape[0], view->shape[1]);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}

static bool take_spectra(const pp_cfar *core, PyObject *object, Py_buffer *view)
{
    const Py_ssize_t bins = (Py_ssize_t)pp_cfar_bins(core);
    return take_rows(core, object, (pp_buffer_wish){"power_dbfs", "float32", "f", 4, 4, 3, {PP_ANY, PP_ANY, bins}, false},
                     view);
}

static bool take_powers(const pp_cfar *core, PyObject *object, const char *name, bool writable, Py_buffer *view)
{
    const Py_ssize_t bands = (Py_ssize_t)pp_cfar_bands(core);
    return take_rows(core, object, (pp_buffer_wish){name, "float64", "d", 8, 8, 3, {PP_ANY, PP_ANY, bands}, writable},
                     view);
}

static PyObject *cfar_band_power_into(PyObject *self, PyObject *args)
{
    PyObject *spectra_object = NULL;
    PyObject *power_object = NULL;
    if (!PyArg_ParseTuple(args, "OO:band_power_into", &spectra_object, &power_object) || !pp_enter(self)) {
        return NULL;
    }
    Py_buffer spectra;
    bool done = take_spectra(pp_core(self), spectra_object, &spectra);
    if (done) {
        Py_buffer power;
        done = take_powers(pp_core(self), power_object, "power", true, &power);
        if (done) {
            pp_cfar_band_power(pp_core(self), spectra.buf, power.buf);
            PyBuffer_Release(&power);
        }
        PyBuffer_Release(&spectra);
    }
    pp_leave(self);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *cfar_begin(PyObject *self, PyObject *object)
{
    if (!pp_enter(self)) {
        return NULL;
    }
    Py_buffer floor;
    bool done = take_powers(pp_core(self), object, "floor", false, &floor);
    if (done) {
        done = pp_cfar_begin(pp_core(self), floor.buf);
        PyBuffer_Release(&floor);
        if (!done) {
            PyErr_SetString(PyExc_ValueError, "floor: wanted powers above 0");
        }
    }
    pp_leave(self);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *cfar_judge(PyObject *self, PyObject *object)
{
    if (!pp_enter(self)) {
        return NULL;
    }
    Py_buffer spectra;
    double highest = NAN;
    const bool done = take_spectra(pp_core(self), object, &spectra);
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        highest = pp_cfar_judge(pp_core(self), spectra.buf);
        Py_END_ALLOW_THREADS
        PyBuffer_Release(&spectra);
    }
    pp_leave(self);
    return done ? PyFloat_FromDouble(highest) : NULL;
}

static PyObject *cfar_clearer_into(PyObject *self, PyObject *object)
{
    if (!pp_enter(self)) {
        return NULL;
    }
    const size_t bands = pp_cfar_bands(pp_core(self));
    const pp_buffer_wish wish = {"values", "float64", "d", 8, 8, 2, {3, (Py_ssize_t)bands}, true};
    Py_buffer values;
    const bool done = pp_take(object, &wish, &values);
    if (done) {
        double *const ratio = values.buf;
        pp_cfar_clearer(pp_core(self), ratio, ratio + bands, ratio + 2 * bands);
        PyBuffer_Release(&values);
    }
    pp_leave(self);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *move_floor(PyObject *self, PyObject *args, const char *format,
                            void (*move)(pp_cfar *cfar, double share, double second))
{
    double share = 0;
    double second = 0;
    if (!PyArg_ParseTuple(args, format, &share, &second)) {
        return NULL;
    }
    if (!(share >= 0 && share <= 1 && second >= 0 && second < INFINITY)) {
        PyErr_SetString(PyExc_ValueError, "share: wanted 0 to 1");
        return NULL;
    }
    if (!pp_enter(self)) {
        return NULL;
    }
    move(pp_core(self), share, second);
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyObject *cfar_follow(PyObject *self, PyObject *args)
{
    return move_floor(self, args, "dd:follow", pp_cfar_follow);
}

static PyObject *cfar_creep(PyObject *self, PyObject *args)
{
    return move_floor(self, args, "dd:creep", pp_cfar_creep);
}

static PyMethodDef cfar_methods[] = {
    {"band_power_into", cfar_band_power_into, METH_VARARGS, cfar_band_power_doc},
    {"begin", cfar_begin, METH_O, cfar_begin_doc},
    {"judge", cfar_judge, METH_O, cfar_judge_doc},
    {"clearer_into", cfar_clearer_into, METH_O, cfar_clearer_doc},
    {"follow", cfar_follow, METH_VARARGS,
     "follow($self, share, spread_share, /)\n--\n\nLet the floor move towards the power judged last by `share`, and the\n"
     "spread of its ratio by `spread_share`."},
    {"creep", cfar_creep, METH_VARARGS,
     "creep($self, share, rise, /)\n--\n\nLet the floor move towards its own average, which follows by `share`, but rise\n"
     "no more than `rise` times."},
    {0},
};

static PyType_Slot cfar_slots[] = {
    {Py_tp_new, cfar_new},         {Py_tp_dealloc, cfar_dealloc}, {Py_tp_methods, cfar_methods},
    {Py_tp_doc, (void *)cfar_doc}, {0, NULL},
};

PyType_Spec pp_cfar_type = {
    .name = "appliance.dsp._core.CfarDetector",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cfar_slots,
};
